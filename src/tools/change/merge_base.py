"""Print the commit to compare a change with. Fetch it if this clone lacks it.

Examples:
  python3 src/tools/change/merge_base.py main
  ./pants --changed-since="$(python3 src/tools/change/merge_base.py main)" list

This is the commit at which HEAD left the revision. If HEAD is on that branch, it is the parent of
HEAD, or HEAD itself if it has none. In a shallow clone, fetches the missing history. Needs only
Python 3.9 or newer and git.

Exit codes: 0 done; 1 the history cannot be fetched; 2 there is no such revision.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python looks for modules in a script's folder; our source root is two folders above it.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from cli.errors import UserError
from cli.script import make_script_parser
from tools.change.history import commit_before
from tools.workspace.git import find_root


def main(argv: Sequence[str] | None = None) -> int:
    """Print the commit, and return the exit code."""
    parser = make_script_parser("merge_base", __doc__)
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
