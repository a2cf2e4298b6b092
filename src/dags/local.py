"""Airflow on a laptop: its own home and SQLite file in the repository, tasks as processes.

Examples:
  ./pants run src/dags:airflow -- dags test iris 2026-01-01
  ./pants run src/dags:airflow -- standalone

The arguments are Airflow's own: `dags test MODEL DATE` runs all tasks of a model as on that day,
`standalone` starts Airflow with its web pages. Whatever is set in the environment already
(AIRFLOW_HOME, DATASCIENCE_DAGS_RUNNER, ...) stays so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from config.errors import UserError

HOME = ".airflow"
TASKS = "src/dags:tasks"
PYTHON_VARIABLE = "DATASCIENCE_DAGS_PYTHON"
# Ours, and not for whom we start: each has a Python of its own.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")
# While `./pants run` runs this, its daemon answers nobody else.
_PANTS = ("./pants", "--no-pantsd", "--no-dynamic-ui", "package", TASKS)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command of Airflow, in a home that has its database."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0)
    try:
        root = _root()
        environment = _environment(root)
        _airflow(environment, "db", "migrate", output=subprocess.DEVNULL)
        sys.exit(_airflow(environment, *arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _root() -> Path:
    here = Path.cwd()
    return next((path for path in (here, *here.parents) if (path / "pants.toml").exists()), here)


def _environment(root: Path) -> Mapping[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    # Airflow starts itself by this name.
    programs = str(Path(sys.executable).parent)
    defaults = {
        "AIRFLOW_HOME": str(root / HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "src/dags"),
        "DATASCIENCE_DAGS_FOLDER": str(root),
    }
    environment = {
        **defaults,
        **inherited,
        "PATH": os.pathsep.join([programs, inherited.get("PATH", os.defpath)]),
    }
    if PYTHON_VARIABLE not in inherited:
        environment[PYTHON_VARIABLE] = _tasks(root, inherited)
    return environment


def _tasks(root: Path, environment: Mapping[str, str]) -> str:
    """The command that runs modules of the models' resolve, which Pants packages first."""
    print(f"Packaging {TASKS} …", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            _PANTS, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UserError(f"{root}: Pants cannot be started: {error.strerror}.") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"Pants does not package {TASKS}:\n  " + "\n  ".join(lines[-5:]))
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    return f"{python} {root / 'dist/src.dags/tasks.pex'}"


def _airflow(environment: Mapping[str, str], *arguments: str, output: int | None = None) -> int:
    command = [sys.executable, "-m", "airflow", *arguments]
    return subprocess.run(
        command, env=environment, stdout=output, stderr=output, check=False
    ).returncode


if __name__ == "__main__":
    main()
