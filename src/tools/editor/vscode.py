"""Write or update VS Code's settings for this clone, and keep yours.

Examples:
  ./pants export --resolve=default --resolve=ruff
  ./pants run src/tools:vscode

Writes .vscode/ (interpreter, source roots, formatting on save, configurations to run and debug
tests and tasks) and the line PYTHONPATH of .env. Keeps your own keys, configurations, tasks and
lines. Git ignores these files, because the interpreter's path is specific to this machine. Run this
again after an export, and for new models.

Exit codes: 0 done; 2 the default resolve is not exported, or a file is not plain JSON (it has a
comment or a trailing comma). Writes nothing in this case.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cli.errors import UserError
from cli.script import make_script_parser
from tools.editor.vscode_files import write_all
from tools.editor.workspace import Workspace
from tools.workspace.git import find_root


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files, and return the exit code."""
    make_script_parser("vscode", __doc__).parse_args(argv)
    try:
        workspace = Workspace.read(find_root())
        written = write_all(workspace)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"Wrote {', '.join(written)}\nInterpreter: {workspace.interpreter}")
    if not workspace.ruff:
        print("Ruff: the extension's version. Get the locked one: ./pants export --resolve=ruff")
    return 0


if __name__ == "__main__":
    sys.exit(main())
