"""Report the secrets in files that are not in the baseline.

detect-secrets' own hook calls git for the baseline, but the sandboxes of Pants have no repository.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.core.usage import ParserBuilder

ADVICE = """
Remove the secret from the file. If it was ever pushed, revoke it. If it is not a secret, add the
comment `pragma: allowlist secret` to its line. If the file cannot have comments, update the
baseline:
  ./pants run 3rdparty/python/tools:detect-secrets -- scan -n --baseline .secrets.baseline"""


def find_secrets(argv: Sequence[str]) -> list[str]:
    """One line per secret; takes the options of `detect-secrets-hook`."""
    options = ParserBuilder().add_pre_commit_arguments().parse_args(list(argv))
    found = SecretsCollection()
    for name in options.filenames:
        found.scan_file(name)
    if options.baseline:
        found = found - options.baseline
    return [f"{name}:{secret.line_number}: {secret.type}" for name, secret in found]


def main(argv: Sequence[str]) -> int:
    """Print new secrets, and return 1 if there are any."""
    secrets = find_secrets(argv)
    if secrets:
        print("\n".join((*sorted(secrets), ADVICE)))
    return 1 if secrets else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
