from __future__ import annotations

import json

from pants.engine.addresses import Addresses
from pants.engine.fs import EMPTY_DIGEST, EMPTY_SNAPSHOT
from pants.testutil.option_util import create_subsystem

from model_image.base import ThirdPartyImage
from model_image.engine import LocalImage
from model_image.layers import FirstParty, Layer, ThirdParty
from model_image.package import ImageInputs, summarize
from model_image.subsystem import ModelImages
from model_image.tasks import ImageTasks

IMAGES = create_subsystem(ModelImages, source="https://example.com/models", licenses="MIT")


def inputs(*, shared: str = "1", own: str = "2", repository: str = "models/iris") -> ImageInputs:
    def layer(name: str, fingerprint: str) -> Layer:
        return Layer(EMPTY_DIGEST, name, fingerprint)

    return ImageInputs(
        ImageTasks(Addresses(), ("models.iris.train", "models.iris.predict")),
        repository,
        ThirdParty(layer("third_party", "0"), EMPTY_DIGEST),
        FirstParty(layer("shared", shared), layer("own", own)),
        EMPTY_SNAPSHOT,
    )


def test_a_content_tag_depends_on_layers_base_and_labels() -> None:
    parent = ThirdPartyImage("datascience-third-party:content-1", "1", "sha256:1")
    content = inputs().content_tag(parent, IMAGES)
    # The parent counts by its identity, not by its name.
    assert inputs().content_tag(ThirdPartyImage("other:name", "1", "sha256:2"), IMAGES) == content
    others = (
        inputs(shared="3").content_tag(parent, IMAGES),
        inputs(own="3").content_tag(parent, IMAGES),
        inputs(repository="iris").content_tag(parent, IMAGES),
        inputs().content_tag(ThirdPartyImage(parent.ref, "2", parent.id), IMAGES),
        inputs().content_tag(parent, create_subsystem(ModelImages, source="", licenses="MIT")),
    )
    assert len({content, *others}) == 6


def test_a_layer_is_a_file_named_after_it() -> None:
    assert Layer(EMPTY_DIGEST, "shared", "1").file == "shared.tar"


def test_a_summary_is_json() -> None:
    image = LocalImage("sha256:1", ("models/iris:older",), "0f1533d", "identity")
    content = summarize(image, ("models/iris:content-1", "models/iris:latest"), inputs().tasks)
    assert json.loads(content) == {
        "image_id": "sha256:1",
        "refs": ["models/iris:content-1", "models/iris:latest"],
        "revision": "0f1533d",
        "tasks": ["models.iris.predict", "models.iris.train"],
    }
