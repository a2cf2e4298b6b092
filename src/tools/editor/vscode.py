"""Make VS Code's settings for this clone, or refresh them; yours are kept.

Examples:
  ./pants export --resolve=default --resolve=ruff
  ./pants run src/tools:vscode

Writes .vscode/ (interpreter, source roots, formatting on save, how tests and tasks are run and
debugged) and the line PYTHONPATH of .env. Keys, configurations, tasks and lines of yours are kept.
Git ignores these files: the path of the interpreter is this machine's. Call it again after an
export, and for new models.

Exits with 2 and writes nothing if the default resolve is not exported, or if a file is not plain
JSON (a comment, a trailing comma).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cli.errors import UserError
from tools.editor.vscode_files import write_all
from tools.editor.workspace import Workspace
from tools.workspace.git import find_root


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files, and return the exit code."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="vscode",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    try:
        workspace = Workspace.read(find_root())
        written = write_all(workspace)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"Written: {', '.join(written)}\nInterpreter: {workspace.interpreter}")
    if not workspace.ruff:
        print("Ruff: the extension's version; for the locked one, ./pants export --resolve=ruff")
    return 0


if __name__ == "__main__":
    sys.exit(main())
