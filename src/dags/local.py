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
# Ours, and not for whom we start: each has a Python of its own.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")
# While `./pants run` runs this, its daemon is busy. This is the second daemon, as in
# `tools.workspace.pants`.
_PANTS = ("./pants", "--pants-subprocessdir=.pids/tools", "--no-dynamic-ui", "package")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command of Airflow, in a home that has its database."""
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
                f"Airflow's database in {environment['AIRFLOW_HOME']} cannot be made or brought up "
                "to date. Remove the folder, and call again."
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
    """Whose tasks the command of Airflow may run."""
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
    # Airflow starts itself by its name.
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
    """Let Pants package what the models' tasks are, which takes a moment where nothing changed."""
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
        raise UserError("Pants does not package the tasks:\n  " + "\n  ".join(lines[-5:]))


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
