"""Print the commit that a change is held against, and see to it that this clone has it.

Examples:
  python3 src/tools/change/merge_base.py main
  ./pants --changed-since="$(python3 src/tools/change/merge_base.py main)" list

It is the commit where HEAD left the revision; where HEAD is itself on that branch, the one before
HEAD, if there is one. A shallow clone fetches what it lacks of the history. Needs Python 3.9 or
newer and git, and nothing else.

Exits with 1 where the history cannot be fetched, with 2 where there is no such revision.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # As a script, its own folder is where Python looks for modules; ours start two above.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from cli.errors import UserError
from tools.change.history import commit_before
from tools.workspace.git import find_root


def main(argv: Sequence[str] | None = None) -> int:
    """Find it, and return the exit code."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="merge_base",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("since", metavar="REVISION", help="a branch, a tag or a commit")
    since = parser.parse_args(argv).since
    try:
        print(commit_before(find_root(), since))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
