"""Check the models' DAG declarations, without Airflow.

Examples:
  ./pants run src/dags:check
  ./pants run src/dags:check -- iris

Exit codes: 0 all are valid; 2 a declaration is not valid.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cli.errors import InputError
from dags.declaration import FILE, Declaration

MODELS = "src/models"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Print the schedule and the tasks of the named models, or of all."""
    names = list(sys.argv[1:] if argv is None else argv)
    if names and names[0] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0)
    files = [Path(MODELS, name, FILE) for name in names]
    wrong = False
    for file in files or sorted(Path(MODELS).glob(f"*/{FILE}")):
        try:
            declaration = Declaration.read(file)
        except InputError as error:
            print(error, file=sys.stderr)
            wrong = True
        else:
            when = declaration.schedule or "started by hand"
            tasks = ", ".join(declaration.tasks)
            print(f"{file.parent.name}: {when} ({declaration.timezone}): {tasks}")
    sys.exit(InputError.exit_code if wrong else 0)


if __name__ == "__main__":
    main()
