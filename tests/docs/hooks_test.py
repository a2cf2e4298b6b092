from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hooks import missing_names, stale_messages, unknown_names

TARGETS: list[Mapping[str, Any]] = [
    {"address": "src/tools:new-model", "sources": []},
    {"address": "src/models/iris:predict", "sources": []},
    {"address": "src/models/iris/predict.py", "sources": ["src/models/iris/predict.py"]},
]


def page(command: str) -> str:
    return f"Type\n\n```bash\n{command}\n```\n"


@pytest.mark.parametrize(
    "text",
    [
        page("./pants run src/models/iris:predict -- --input s3://bucket/other:thing"),
        page("./pants lint src/models:: src/models/iris:"),
        page("./pants test ::"),
        page("./pants dependencies src/models/iris/predict.py"),
        page("docker run models/iris:latest"),
        "Type `./pants run src/models/iris:predict -- --input s3://bucket/other:thing`.",
        page("PANTS_IMAGES_BASE_IMAGE=base:debian ./pants package src/models/iris:predict"),
        # The page's first command creates it.
        page(
            "./pants run src/tools:new-model -- churn --kind regression\n"
            "./pants run src/models/churn:train"
        ),
        "See `src/models/iris/predict.py`, `src/models/iris/` and `src/models/iris/BUILD`.",
        "A model is `src/models/<name>/`.",
    ],
)
def test_existing_targets_and_paths_are_accepted(text: str, tmp_path: Path) -> None:
    assert list(unknown_names(text, TARGETS, tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            page("./pants run src/models/iris:forecast"),
            "there is no target src/models/iris:forecast",
        ),
        (page("./pants lint src/nothing::"), "there is no target src/nothing::"),
        (
            "| old | `./pants run src/models/iris:forecast -- --model src/other:thing` |",
            "there is no target src/models/iris:forecast",
        ),
        ("See `src/models/rose/`.", "there is no file or folder src/models/rose/"),
        ("See `src/models/iris/gone.py`.", "there is no file or folder src/models/iris/gone.py"),
    ],
)
def test_a_missing_target_or_path_is_reported(text: str, problem: str, tmp_path: Path) -> None:
    assert list(unknown_names(text, TARGETS, tmp_path)) == [problem]


def test_an_explained_message_that_the_code_does_not_contain_is_reported(tmp_path: Path) -> None:
    source = tmp_path / "src/config/settings.py"
    source.parent.mkdir(parents=True)
    source.write_text('raise InputError(f"No environment {name!r}")\n')
    explained = "### `No environment`\n\nText\n\n### `No such thing`\n\n### Pants says so\n"
    assert list(stale_messages(explained, tmp_path)) == ["no code contains 'No such thing'"]


def test_a_folder_that_a_page_must_name_is_reported_if_missing(tmp_path: Path) -> None:
    for name in ("ruff", "notebook"):
        (tmp_path / "pants-plugins" / name).mkdir(parents=True)
        (tmp_path / "pants-plugins" / name / "register.py").touch()
    page = "<!-- each: pants-plugins/*/register.py -->\n\n| `ruff` | a linter |\n"
    assert list(missing_names(page, tmp_path)) == [
        "notebook of pants-plugins/*/register.py is not named"
    ]
    assert list(missing_names(f"{page}| `notebook` | |\n", tmp_path)) == []
    assert list(missing_names("<!-- each: gone/*.py -->", tmp_path)) == ["no file is gone/*.py"]
