"""Serve the documentation from the working tree; a saved page is reloaded.

Examples:
  ./pants run docs:serve
  ./pants run docs:serve -- --dev-addr 0.0.0.0:8001

What follows `--` is passed to `mkdocs serve`. Pants is asked once, so graphs stay as they were at
the start. Notebooks are shown as they are in git; `./pants package docs:site` executes them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mkdocs.__main__ import cli as mkdocs

from cli.errors import UserError
from tools.workspace.git import find_root
from tools.workspace.pants import peek

# The variable in which hooks.py expects the file of all targets.
TARGETS_VARIABLE = "DOCS_TARGETS"
WATCHED = ("src", "notebooks", "README.md")


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        mkdocs(["serve", "--help"])
    try:
        root = find_root()
        print("Asking Pants for the imports …", file=sys.stderr)
        targets = peek(root)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    watched = [f"--watch={root / name}" for name in WATCHED if (root / name).exists()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "targets.json"
        file.write_text(json.dumps(targets))
        os.environ[TARGETS_VARIABLE] = str(file)
        mkdocs(["serve", f"--config-file={root / 'docs/mkdocs.yml'}", *watched, *arguments])


if __name__ == "__main__":
    main()
