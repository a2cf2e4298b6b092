"""Name the secrets in files that the baseline does not know.

detect-secrets' own hook asks git about the baseline, and where Pants runs a linter there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.core.usage import ParserBuilder

ADVICE = """
Take a secret out of the file; if it was ever pushed, revoke it, too. A line that has none gets the
comment `pragma: allowlist secret`; a file that cannot have comments is entered in the baseline:
  ./pants run 3rdparty/python/tools:detect-secrets -- scan -n --baseline .secrets.baseline"""


def find_secrets(argv: Sequence[str]) -> list[str]:
    """One line per secret; the options are those of `detect-secrets-hook`."""
    options = ParserBuilder().add_pre_commit_arguments().parse_args(list(argv))
    found = SecretsCollection()
    for name in options.filenames:
        found.scan_file(name)
    if options.baseline:
        found = found - options.baseline
    return [f"{name}:{secret.line_number}: {secret.type}" for name, secret in found]


def main(argv: Sequence[str]) -> int:
    """Exit with 1 where there is a secret."""
    secrets = find_secrets(argv)
    if secrets:
        print("\n".join((*sorted(secrets), ADVICE)))
    return 1 if secrets else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
