"""Run Airflow on this machine, with its home and SQLite file in the repository.

Examples:
  ./pants run src/dags:airflow -- dags test iris 2026-01-01
  ./pants run src/dags:airflow -- standalone

Passes all arguments to Airflow: `dags test MODEL DATE` runs all tasks of a model for that day, as
processes; `standalone` starts Airflow with its web pages. Keeps variables that are already set
(AIRFLOW_HOME, DATASCIENCE_DAGS_RUNNER, ...).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from cli.errors import UserError
from dags.declaration import FILE, Declaration

HOME = ".airflow"
MODELS = "src/models"
PACKAGES = "dist"
PACKAGES_VARIABLE = "DATASCIENCE_DAGS_PACKAGES"
RUNNER_VARIABLE = "DATASCIENCE_DAGS_RUNNER"
# Variables of our Python. The programs that we start have their own.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")
# While `./pants run` runs this program, its daemon is busy. Use the second daemon of
# `tools.workspace.pants`.
_PANTS = ("./pants", "--pants-subprocessdir=.pids/tools", "--no-dynamic-ui", "package")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run an Airflow command, with an up-to-date database."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0)
    try:
        root = _root()
        environment = _environment(root)
        models = _models(root, arguments)
        processes = environment.get(RUNNER_VARIABLE, "process") == "process"
        if models and processes and environment[PACKAGES_VARIABLE] == str(root / PACKAGES):
            _package(root, models)
        if _airflow(environment, "db", "migrate", output=subprocess.DEVNULL):
            raise UserError(
                f"{environment['AIRFLOW_HOME']}: cannot create or migrate Airflow's database. "
                "Remove the folder, and run this again."
            )
        sys.exit(_airflow(environment, *arguments))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _root() -> Path:
    here = Path.cwd()
    return next((path for path in (here, *here.parents) if (path / "pants.toml").exists()), here)


def _models(root: Path, arguments: Sequence[str]) -> Sequence[str]:
    """The models whose tasks the Airflow command may run."""
    models = [file.parent.name for file in sorted((root / MODELS).glob(f"*/{FILE}"))]
    if arguments[0] == "standalone":
        return models
    runs = list(arguments[:2]) in (["dags", "test"], ["tasks", "test"])
    return [model for model in models if runs and model in arguments]


def _inherited() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }


def _environment(root: Path) -> Mapping[str, str]:
    inherited = _inherited()
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # Airflow starts itself by name.
    programs = str(Path(sys.executable).parent)
    defaults = {
        "AIRFLOW_HOME": str(root / HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "src/dags"),
        "DATASCIENCE_DAGS_FOLDER": str(root),
        "DATASCIENCE_DAGS_PYTHON": str(Path(sys.base_prefix) / "bin" / python),
        PACKAGES_VARIABLE: str(root / PACKAGES),
    }
    return {
        **defaults,
        **inherited,
        "PATH": os.pathsep.join([programs, inherited.get("PATH", os.defpath)]),
    }


def _package(root: Path, models: Iterable[str]) -> None:
    """Package the models' tasks with Pants, which is fast if nothing changed."""
    targets = sorted({target for model in models for target in _targets(root, model)})
    print(f"Packaging {', '.join(targets)} …", file=sys.stderr, flush=True)
    inherited = _inherited()
    try:
        done = subprocess.run(
            [*_PANTS, *targets],
            cwd=root,
            env=inherited,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"{root}: Pants cannot be started: {error.strerror}.") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError("Pants failed to package the tasks:\n  " + "\n  ".join(lines[-5:]))


def _targets(root: Path, model: str) -> Iterable[str]:
    declaration = Declaration.read(root / MODELS / model / FILE)
    for name, task in declaration.tasks.items():
        folder, _, target = (task.module or f"models.{model}.{name}").rpartition(".")
        yield f"src/{folder.replace('.', '/')}:{target}"


def _airflow(environment: Mapping[str, str], *arguments: str, output: int | None = None) -> int:
    command = [sys.executable, "-m", "airflow", *arguments]
    return subprocess.run(
        command, env=environment, stdout=output, stderr=output, check=False
    ).returncode


if __name__ == "__main__":
    main()
