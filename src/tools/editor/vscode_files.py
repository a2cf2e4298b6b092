"""VS Code's files for a workspace, merged with the user's own settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cli.errors import InputError
from data_access_layer.atomic import stage_path
from tools.editor.workspace import Workspace

FOLDER = ".vscode"
# VS Code and other editors load this file for tests and the debugger.
ENV_FILE, PYTHON_PATH = ".env", "PYTHONPATH"
EXTENSIONS = ["ms-python.python", "ms-python.debugpy", "charliermarsh.ruff", "ms-toolsai.jupyter"]
# The default task to debug: one of a model.
FIRST_TASK = re.compile(r"models\.\w+\.predict")
# Pants writes these; do not search or watch them.
GENERATED = ("**/dist/**", "**/.pants.d/**", "**/.pids/**")
# The keys that identify an entry of a list.
NAMES = ("name", "label", "id")

type Json = dict[str, Any]


def write_all(workspace: Workspace) -> list[str]:
    """Write or update each file; return the paths.

    Raises:
        InputError: an existing file is not valid; no file was written.
    """
    contents = {
        f"{FOLDER}/{name}": _as_text(merge(_read(workspace.root / FOLDER / name), ours))
        for name, ours in files(workspace).items()
    }
    contents[ENV_FILE] = _env_file(workspace)
    for path, text in contents.items():
        _replace(workspace.root / path, text)
    return list(contents)


def files(workspace: Workspace) -> dict[str, Json]:
    """The content of each file of the folder."""
    return {
        "settings.json": settings(workspace),
        "launch.json": launch(workspace),
        "tasks.json": tasks(),
        "extensions.json": {"recommendations": EXTENSIONS},
    }


def settings(workspace: Workspace) -> Json:
    """Interpreter, source roots, formatting and tests."""
    terminal = {PYTHON_PATH: _python_path(workspace)}
    ruff = {"ruff.path": [_here(workspace.ruff)]} if workspace.ruff else {}
    return {
        "python.defaultInterpreterPath": _here(workspace.interpreter),
        "python.analysis.extraPaths": list(workspace.source_roots),
        "python.testing.pytestEnabled": True,
        "python.testing.unittestEnabled": False,
        "python.testing.pytestArgs": [
            *workspace.test_roots,
            *(f"--ignore={folder}" for folder in workspace.other_tests),
        ],
        "terminal.integrated.env.linux": terminal,
        "terminal.integrated.env.osx": terminal,
        "[python]": {
            "editor.defaultFormatter": "charliermarsh.ruff",
            "editor.formatOnSave": True,
        },
        # Sorts imports as in Pants: all source roots are first-party.
        "ruff.configuration": {"src": list(workspace.all_roots)},
        **ruff,
        "files.eol": "\n",
        "files.watcherExclude": dict.fromkeys(GENERATED, True),
        "search.exclude": dict.fromkeys(GENERATED, True),
    }


def launch(workspace: Workspace) -> Json:
    """Debug configurations of a task and a file of tests."""
    defaults = {
        "type": "debugpy",
        "request": "launch",
        "console": "integratedTerminal",
        "cwd": "${workspaceFolder}",
        "env": {PYTHON_PATH: _python_path(workspace)},
    }
    first = next(filter(FIRST_TASK.fullmatch, workspace.tasks), "")
    return {
        "version": "0.2.0",
        "configurations": [
            {"name": "Task", "module": "${input:task}", "args": "${command:pickArgs}", **defaults},
            {"name": "Test: this file", "module": "pytest", "args": ["${file}"], **defaults},
            # For the debug buttons of the test explorer.
            {"name": "Test", "purpose": ["debug-test"], **defaults},
        ],
        "inputs": [
            {
                "id": "task",
                "type": "pickString",
                "description": "The module to debug",
                "options": list(workspace.tasks),
                "default": first,
            }
        ],
    }


def tasks() -> Json:
    """Pants' goals for the open file, and for all changes."""
    return {
        "version": "2.0.0",
        "tasks": [
            {
                "label": f"pants: {label}",
                "type": "process",
                "command": "./pants",
                "args": arguments,
                "options": {"cwd": "${workspaceFolder}"},
                "problemMatcher": [],
            }
            for label, arguments in (
                ("test this file", ["test", "${relativeFile}"]),
                ("fmt this file", ["fmt", "${relativeFile}"]),
                ("test what changed", ["--changed-since=main", "lint", "check", "test"]),
            )
        ],
    }


def merge(theirs: Json, ours: Json) -> Json:
    """Update their settings with ours; keep keys and entries that only they have."""
    return {**theirs, **{key: _merge_value(theirs.get(key), value) for key, value in ours.items()}}


def _merge_value(theirs: Any, ours: Any) -> Any:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return merge(theirs, ours)
    if isinstance(theirs, list) and all(map(_name, ours)):
        known = {_name(one): one for one in theirs if _name(one)}
        updated = [merge(known.pop(_name(one), {}), one) for one in ours]
        return updated + [one for one in theirs if known.get(_name(one)) is one]
    if isinstance(theirs, list) and ours == EXTENSIONS:
        return [*theirs, *(one for one in ours if one not in theirs)]
    return ours


def _name(entry: Any) -> str:
    """The name that identifies an entry of a list; empty if it has none."""
    keys = NAMES if isinstance(entry, dict) else ()
    return next((str(entry[key]) for key in keys if key in entry), "")


def _here(path: str) -> str:
    return f"${{workspaceFolder}}/{path}"


def _python_path(workspace: Workspace) -> str:
    return ":".join(map(_here, workspace.source_roots))


def _env_file(workspace: Workspace) -> str:
    """The existing lines and ours, with absolute paths: .env cannot use VS Code's variables."""
    path = workspace.root / ENV_FILE
    lines = path.read_text().splitlines() if path.exists() else []
    ours = ":".join(str(workspace.root / root) for root in workspace.source_roots)
    kept = [line for line in lines if not line.startswith(f"{PYTHON_PATH}=")]
    return "\n".join([*kept, f'{PYTHON_PATH}="{ours}"', ""])


def _read(path: Path) -> Json:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8") or "{}")
    except ValueError as error:
        raise InputError(
            f"{path}: expected plain JSON, got: {error}. Nothing was written. Remove comments and "
            "trailing commas, or move the file away."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, `{{…}}`. Nothing was written.")
    return content


def _as_text(content: Json) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically, and keep its mode."""
    path.parent.mkdir(exist_ok=True)
    with stage_path(path) as staging:
        staging.write_text(text, encoding="utf-8")
        if path.exists():
            staging.chmod(path.stat().st_mode)
