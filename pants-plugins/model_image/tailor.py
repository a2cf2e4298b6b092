from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pants.core.goals.tailor import PutativeTarget, PutativeTargets, PutativeTargetsRequest
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import AllUnexpandedTargets
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from model_image.subsystem import ModelImages
from model_image.target_types import NAME, ImageTasksField, ModelImageTarget


@dataclass(frozen=True)
class PutativeModelImagesRequest(PutativeTargetsRequest):
    pass


def without_image(
    files: Iterable[str], *, requested: Iterable[str], with_image: Iterable[str]
) -> Iterator[str]:
    """The requested folders of models that have no `model_image`."""
    folders = {os.path.dirname(file) for file in files}
    yield from sorted((folders & set(requested)) - set(with_image))


@rule(desc="Find models without an image", level=LogLevel.DEBUG)
async def find_models_without_image(
    request: PutativeModelImagesRequest, targets: AllUnexpandedTargets, images: ModelImages
) -> PutativeTargets:
    if not images.tailor:
        return PutativeTargets()
    models = await Get(Paths, PathGlobs(images.models))
    with_image = (
        target.address.spec_path for target in targets if target.has_field(ImageTasksField)
    )
    return PutativeTargets(
        PutativeTarget.for_target_type(
            ModelImageTarget, path=folder, name=NAME, triggering_sources=[]
        )
        for folder in without_image(models.files, requested=request.dirs, with_image=with_image)
    )


def rules():
    return (*collect_rules(), UnionRule(PutativeTargetsRequest, PutativeModelImagesRequest))
