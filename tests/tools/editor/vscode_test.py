"""VS Code's files for a small clone, and the commands that VS Code makes of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.editor.vscode import main
from tools.editor.vscode_files import EXTENSIONS

ROOT = Path(__file__).resolve().parents[3]
PANTS_TOML = """\
[source]
root_patterns = ["/src", "/tests", "/plugins", "/pages"]

[python]
default_resolve = "default"
interpreter_constraints = ["CPython==3.13.*"]

[python.resolves]
default = "default.lock"
docs = "docs.lock"
"""
FILES = {
    "pants.toml": PANTS_TOML,
    "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\n",
    "src/models/tulip/BUILD": "python_sources()\n",
    "src/models/tulip/predict.py": 'if __name__ == "__main__":\n    print("predicted")\n',
    "src/models/tulip/schema.py": "SPECIES = 3\n",
    "src/drawing/BUILD": 'python_sources(resolve="docs")\n',
    "src/drawing/draw.py": 'if __name__ == "__main__":\n    print("drawn")\n',
    "tests/models/BUILD": 'python_tests(name="tests")\n',
    "tests/models/schema_test.py": (
        "from models.tulip.schema import SPECIES\n\ndef test() -> None:\n    assert SPECIES == 3\n"
    ),
    "tests/pages/BUILD": 'python_tests(name="tests", resolve="docs")\n',
    "tests/pages/page_test.py": "import mkdocs_of_the_other_resolve\n",
    "tests/pages/shared/BUILD": 'python_tests(name="tests")\n',
    "tests/pages/shared/shared_test.py": "def test() -> None: ...\n",
    "tests/slow/BUILD": 'python_tests(name="tests", tags=["integration"])\n',
    "tests/slow/slow_test.py": "import server_that_is_not_here\n",
    "plugins/BUILD": '__defaults__(all=dict(resolve="plugins"))\n',
    "plugins/ruff/BUILD": "python_sources()\n",
    "pages/BUILD": 'python_source(name="hooks", source="hooks.py", resolve="docs")\n',
}
EXPORTED = "dist/export/python/virtualenvs/{}/{}/bin/{}"
PYTHON = EXPORTED.format("default", "3.13.5", "python")


def write(root: Path, file: str, text: str, mode: int = 0o644) -> Path:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def export(root: Path, resolve: str, version: str, program: str) -> None:
    """As Pants does it, with this test's Python in the place of the venv's."""
    script = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
    write(root, EXPORTED.format(resolve, version, program), script, 0o755)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file, text in FILES.items():
        write(tmp_path, file, text)
    export(tmp_path, "default", "3.13.5", "python")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(clone: Path, name: str) -> Any:
    return json.loads((clone / ".vscode" / name).read_text())


def expanded(value: Any, clone: Path) -> Any:
    """With the variables of VS Code filled in."""
    text = json.dumps(value).replace("${workspaceFolder}", str(clone))
    return json.loads(text)


def run(*command: str, clone: Path, env: dict[str, str]) -> str:
    """What a command prints, in VS Code's environment: none of this test's source roots."""
    usual = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    for name in [name for name in usual if name.startswith(("PEX", "PYTEST"))]:
        del usual[name]
    done = subprocess.run(
        command, cwd=clone, env={**usual, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_paths_are_those_of_pants_toml_and_of_the_export(clone: Path) -> None:
    export(clone, "default", "3.13.12", "python")
    export(clone, "default", "3.12.9", "python")
    export(clone, "ruff", "3.13.5", "ruff")
    assert main([]) == 0
    settings = read(clone, "settings.json")
    interpreter = EXPORTED.format("default", "3.13.12", "python")
    assert settings["python.defaultInterpreterPath"] == f"${{workspaceFolder}}/{interpreter}"
    assert settings["python.analysis.extraPaths"] == ["src", "tests"]
    assert settings["terminal.integrated.env.linux"] == {
        "PYTHONPATH": "${workspaceFolder}/src:${workspaceFolder}/tests"
    }
    assert settings["ruff.configuration"] == {"src": ["src", "tests", "plugins", "pages"]}
    ruff = EXPORTED.format("ruff", "3.13.5", "ruff")
    assert settings["ruff.path"] == [f"${{workspaceFolder}}/{ruff}"]
    assert settings["[python]"]["editor.formatOnSave"] is True
    assert read(clone, "launch.json")["inputs"][0]["options"] == ["models.tulip.predict"]


def test_the_test_explorer_runs_what_it_can_run(clone: Path) -> None:
    assert main([]) == 0
    settings = expanded(read(clone, "settings.json"), clone)
    name, _, value = (clone / ".env").read_text().strip().partition("=")
    python = settings["python.defaultInterpreterPath"]
    arguments = (f"--rootdir={clone}", *settings["python.testing.pytestArgs"])
    env = {name: value.strip('"')}
    passed = run(python, "-m", "pytest", "-rA", *arguments, clone=clone, env=env)
    assert re.findall(r"^PASSED (\S+)", passed, re.M) == [
        "tests/models/schema_test.py::test",
        "tests/pages/shared/shared_test.py::test",
    ]


def test_a_task_and_a_file_of_tests_start_under_the_debugger(clone: Path) -> None:
    assert main([]) == 0
    launch = expanded(read(clone, "launch.json"), clone)
    task, test, _ = launch["configurations"]
    python = str(clone / PYTHON)
    module = task["module"].replace("${input:task}", launch["inputs"][0]["default"])
    assert run(python, "-m", module, clone=clone, env=task["env"]) == "predicted\n"
    file = str(clone / "tests/models/schema_test.py")
    arguments = [argument.replace("${file}", file) for argument in test["args"]]
    command = (python, "-m", test["module"], *arguments)
    assert "1 passed" in run(*command, clone=clone, env=test["env"])


def test_what_somebody_added_is_kept_and_the_rest_refreshed(clone: Path) -> None:
    mine = {"name": "Mine", "type": "debugpy", "module": "x"}
    write(
        clone,
        ".vscode/settings.json",
        '{"editor.rulers": [88], "python.defaultInterpreterPath": "old", '
        '"terminal.integrated.env.linux": {"AWS_PROFILE": "dev", "PYTHONPATH": "old"}}',
    )
    write(
        clone,
        ".vscode/launch.json",
        json.dumps({"configurations": [mine, {"name": "Task", "justMyCode": False, "env": {}}]}),
    )
    write(clone, ".vscode/extensions.json", '{"recommendations": ["vim", "ms-python.python"]}')
    write(clone, ".env", "# Mine\nMLFLOW_TRACKING_URI=http://localhost\nPYTHONPATH=old\n", 0o600)
    assert main([]) == 0
    settings = read(clone, "settings.json")
    assert settings["editor.rulers"] == [88]
    assert settings["python.defaultInterpreterPath"].endswith(PYTHON)
    terminal = settings["terminal.integrated.env.linux"]
    assert (terminal["AWS_PROFILE"], terminal["PYTHONPATH"][-6:]) == ("dev", "/tests")
    configurations = read(clone, "launch.json")["configurations"]
    assert [one["name"] for one in configurations] == ["Task", "Test: this file", "Test", "Mine"]
    assert configurations[0]["justMyCode"] is False
    assert configurations[0]["env"].keys() == {"PYTHONPATH"}
    assert configurations[-1] == mine
    assert read(clone, "extensions.json")["recommendations"][:2] == ["vim", "ms-python.python"]
    assert (clone / ".env").read_text() == (
        f'# Mine\nMLFLOW_TRACKING_URI=http://localhost\nPYTHONPATH="{clone}/src:{clone}/tests"\n'
    )
    assert (clone / ".env").stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(clone: Path) -> None:
    assert main([]) == 0
    files = [*(clone / ".vscode").iterdir(), clone / ".env"]
    first = {file: file.read_bytes() for file in files}
    assert main([]) == 0
    assert {file: file.read_bytes() for file in files} == first


@pytest.mark.parametrize("removed", ["dist", "venv"])
def test_without_an_export_it_says_which(
    clone: Path, removed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / PYTHON).unlink()
    if removed == "venv":
        # As an export is left by who clears Pants' cache: a link that leads nowhere.
        (clone / PYTHON).symlink_to(clone / "named_caches/python")
    assert main([]) == 2
    message = capsys.readouterr().err
    assert message.startswith(
        "dist/export/python/virtualenvs/default/3.13.*/bin/python: no such file"
    )
    assert "./pants export --resolve=default --resolve=ruff" in message
    assert not (clone / ".vscode").exists()


@pytest.mark.parametrize("text", ['{"a": 1, // mine\n}', "[1]"])
def test_a_file_that_is_not_plain_json_is_named_and_nothing_written(
    clone: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(clone, ".vscode/launch.json", text)
    assert main([]) == 2
    assert capsys.readouterr().err.startswith(f"{file}: expected ")
    assert file.read_text() == text
    assert [path.name for path in (clone / ".vscode").iterdir()] == ["launch.json"]
    assert not (clone / ".env").exists()


def test_what_the_dev_container_names_is_there() -> None:
    folder = ROOT / ".devcontainer"
    container = json.loads((folder / "devcontainer.json").read_text())
    assert (folder / container["build"]["dockerfile"]).exists()
    resolves = (ROOT / "pants.toml").read_text().partition("[python.resolves]\n")[2]
    for resolve in re.findall(r"--resolve=(\w+)", container["postCreateCommand"]):
        assert f'\n{resolve} = "3rdparty/' in f"\n{resolves}"
    for folder_name, name in re.findall(r"run (\S+):(\S+)", container["postCreateCommand"]):
        assert f'name="{name}"' in (ROOT / folder_name / "BUILD").read_text()
    assert container["customizations"]["vscode"]["extensions"] == EXTENSIONS
    dockerfile = (folder / "Dockerfile").read_text()
    assert f"useradd --create-home --shell /bin/bash {container['remoteUser']}" in dockerfile
    (cache,) = container["mounts"]
    assert f"--group=developer {cache['target']}" in dockerfile
