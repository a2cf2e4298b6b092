"""Serve the documentation from the working tree; a page is loaded anew when its source is saved.

Examples:
  ./pants run docs:serve
  ./pants run docs:serve -- --dev-addr 0.0.0.0:8001

What follows `--` goes to `mkdocs serve`. Pants is asked once who imports whom; notebooks are shown
as they are in git. `./pants package docs:site` runs them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mkdocs.__main__ import cli

from tools.graphs.draw import GraphError, ask_pants, find_root

# Where the hooks find what Pants knows.
TARGETS_VARIABLE = "DOCS_TARGETS"
WATCHED = ("src", "notebooks", "README.md")


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        cli(["serve", "--help"])
    try:
        root = find_root()
        print("Asking Pants who imports whom …", file=sys.stderr)
        targets = ask_pants(root)
    except GraphError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    watched = [f"--watch={root / name}" for name in WATCHED if (root / name).exists()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "targets.json"
        file.write_text(json.dumps(targets))
        os.environ[TARGETS_VARIABLE] = str(file)
        cli(["serve", f"--config-file={root / 'docs/mkdocs.yml'}", *watched, *arguments])


if __name__ == "__main__":
    main()
