from __future__ import annotations

import json

import pytest
from pants.engine.addresses import Addresses
from pants.engine.fs import EMPTY_DIGEST, EMPTY_SNAPSHOT
from pants.testutil.option_util import create_subsystem

from model_image.engine import LocalImage
from model_image.layers import FirstParty, Layer, ThirdParty
from model_image.package import (
    ImageParts,
    ThirdPartyImage,
    content_tag,
    default_repository,
    labels_of,
    summary,
    tags_of,
)
from model_image.revision import Revision
from model_image.subsystem import ModelImages
from model_image.tasks import ImageTasks

IMAGES = create_subsystem(ModelImages, source="https://example.com/models", licenses="MIT")
COMMIT = Revision("0f1533d", 1_700_000_000)
CHANGED = Revision("0f1533d+changes", 1_700_000_000)
PARTS = {"under": "1", "layers": ["2", "3"], "file": "4"}


def test_the_same_parts_have_the_same_tag_in_any_order() -> None:
    tag = content_tag(PARTS)
    assert content_tag(dict(reversed(PARTS.items()))) == tag
    # Tags of other versions of this file lie in registries.
    assert tag == "content-32017c9ee2025939"


@pytest.mark.parametrize(
    "other",
    [
        {**PARTS, "under": "0"},
        {**PARTS, "layers": ["3", "2"]},
        {**PARTS, "layers": ["2"]},
        {**PARTS, "more": ""},
        {},
    ],
)
def test_other_parts_have_another_tag(other: dict[str, object]) -> None:
    assert content_tag(other) != content_tag(PARTS)


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (COMMIT, ("content-1", "0f1533d", "latest")),
        (CHANGED, ("content-1", "latest")),
        (Revision(), ("content-1", "latest")),
    ],
)
def test_an_image_is_named_by_content_and_by_a_clean_commit(
    revision: Revision, expected: tuple[str, ...]
) -> None:
    assert tags_of("content-1", revision) == expected


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("models/iris", "image", "models/iris"),
        ("models/iris", "training", "models/iris/training"),
        ("Models/Iris", "image", "models/iris"),
        # The source root's own.
        (".", "image", "image"),
        (".", "everything", "everything"),
    ],
)
def test_each_image_has_a_repository_of_its_own(folder: str, name: str, expected: str) -> None:
    assert default_repository(folder, name) == expected


def test_labels_say_what_an_image_is() -> None:
    assert labels_of("models/iris", "content-1", CHANGED, IMAGES) == {
        "org.opencontainers.image.title": "models/iris",
        "org.opencontainers.image.version": "content-1",
        "org.opencontainers.image.revision": "0f1533d+changes",
        "org.opencontainers.image.source": "https://example.com/models",
        "org.opencontainers.image.licenses": "MIT",
    }


def test_what_is_not_known_is_no_label() -> None:
    images = create_subsystem(ModelImages, source="", licenses="")
    assert labels_of("iris", "content-1", COMMIT, images) == {
        "org.opencontainers.image.title": "iris",
        "org.opencontainers.image.version": "content-1",
        "org.opencontainers.image.revision": "0f1533d",
    }


def parts(*, shared: str = "1", own: str = "2", repository: str = "models/iris") -> ImageParts:
    def layer(name: str, fingerprint: str) -> Layer:
        return Layer(EMPTY_DIGEST, name, fingerprint)

    return ImageParts(
        ImageTasks(Addresses(), ("models.iris.train", "models.iris.predict")),
        repository,
        ThirdParty(layer("third_party", "0"), EMPTY_DIGEST),
        FirstParty(layer("shared", shared), layer("own", own)),
        EMPTY_SNAPSHOT,
    )


def test_a_tag_by_content_is_of_layers_base_and_labels() -> None:
    under = ThirdPartyImage("datascience-third-party:content-1", "1", "sha256:1")
    content = parts().content(under, IMAGES)
    # What is below counts by what it holds, not by its name.
    assert parts().content(ThirdPartyImage("other:name", "1", "sha256:2"), IMAGES) == content
    others = (
        parts(shared="3").content(under, IMAGES),
        parts(own="3").content(under, IMAGES),
        parts(repository="iris").content(under, IMAGES),
        parts().content(ThirdPartyImage(under.ref, "2", under.id), IMAGES),
        parts().content(under, create_subsystem(ModelImages, source="", licenses="MIT")),
    )
    assert len({content, *others}) == 6


def test_a_layer_is_a_file_of_its_name() -> None:
    assert Layer(EMPTY_DIGEST, "shared", "1").file == "shared.tar"


def test_a_summary_is_for_jobs_to_read() -> None:
    image = LocalImage("sha256:1", ("models/iris:older",), "0f1533d", "identity")
    told = summary(image, ("models/iris:content-1", "models/iris:latest"), parts().tasks)
    assert json.loads(told) == {
        "image_id": "sha256:1",
        "refs": ["models/iris:content-1", "models/iris:latest"],
        "revision": "0f1533d",
        "tasks": ["models.iris.predict", "models.iris.train"],
    }
