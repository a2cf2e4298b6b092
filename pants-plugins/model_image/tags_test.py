from __future__ import annotations

import pytest
from pants.testutil.option_util import create_subsystem

from model_image.revision import Revision
from model_image.subsystem import ModelImages
from model_image.tags import content_tag, default_repository, image_labels, image_tags

IMAGES = create_subsystem(ModelImages, source="https://example.com/models", licenses="MIT")
COMMIT = Revision("0f1533d", 1_700_000_000)
CHANGED = Revision("0f1533d+changes", 1_700_000_000)
INPUTS = {"under": "1", "layers": ["2", "3"], "file": "4"}


def test_the_same_inputs_have_the_same_tag_in_any_order() -> None:
    tag = content_tag(INPUTS)
    assert content_tag(dict(reversed(INPUTS.items()))) == tag
    # Registries hold tags that earlier versions of this code computed.
    assert tag == "content-32017c9ee2025939"


@pytest.mark.parametrize(
    "other",
    [
        {**INPUTS, "under": "0"},
        {**INPUTS, "layers": ["3", "2"]},
        {**INPUTS, "layers": ["2"]},
        {**INPUTS, "more": ""},
        {},
    ],
)
def test_other_inputs_have_another_tag(other: dict[str, object]) -> None:
    assert content_tag(other) != content_tag(INPUTS)


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (COMMIT, ("content-1", "0f1533d", "latest")),
        (CHANGED, ("content-1", "latest")),
        (Revision(), ("content-1", "latest")),
    ],
)
def test_an_image_has_a_content_tag_and_the_tag_of_a_clean_commit(
    revision: Revision, expected: tuple[str, ...]
) -> None:
    assert image_tags("content-1", revision) == expected


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("models/iris", "image", "models/iris"),
        ("models/iris", "training", "models/iris/training"),
        ("Models/Iris", "image", "models/iris"),
        # At the source root.
        (".", "image", "image"),
        (".", "everything", "everything"),
    ],
)
def test_each_image_has_its_own_repository(folder: str, name: str, expected: str) -> None:
    assert default_repository(folder, name) == expected


def test_labels_describe_an_image() -> None:
    assert image_labels("models/iris", "content-1", CHANGED, IMAGES) == {
        "org.opencontainers.image.title": "models/iris",
        "org.opencontainers.image.version": "content-1",
        "org.opencontainers.image.revision": "0f1533d+changes",
        "org.opencontainers.image.source": "https://example.com/models",
        "org.opencontainers.image.licenses": "MIT",
    }


def test_an_unknown_value_has_no_label() -> None:
    images = create_subsystem(ModelImages, source="", licenses="")
    assert image_labels("iris", "content-1", COMMIT, images) == {
        "org.opencontainers.image.title": "iris",
        "org.opencontainers.image.version": "content-1",
        "org.opencontainers.image.revision": "0f1533d",
    }
