"""The parameters of a pipeline, as `tune` writes them and `train --parameters` reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from sklearn.pipeline import Pipeline

from cli.errors import InputError
from cli.task import DEFAULTS, TaskContext
from data_access_layer.open import read_text
from modelling.definition import ModelDefinition
from modelling.stored_models.structure_checks import is_in_space


def build_tuned_pipeline(
    definition: ModelDefinition, seed: int, file: str | None, context: TaskContext = DEFAULTS
) -> Pipeline:
    """Build the unfitted pipeline, with the parameters of a file that `tune` wrote.

    Raises:
        InputError: the file cannot be read, or has a parameter outside of the search space, so that
            the trained version could not be loaded.
    """
    pipeline = definition.build_pipeline(seed)
    if file is None:
        return pipeline
    try:
        parameters = json.loads(read_text(file, context, option="--parameters"))["parameters"]
        present = pipeline.get_params(deep=True)
        for name, value in dict(parameters).items():
            _check_parameter(definition, name, value, present)
        return cast("Pipeline", pipeline.set_params(**parameters))
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{file}: is not a file of parameters that `tune` wrote for this model: {reason}."
        ) from error


def _check_parameter(
    definition: ModelDefinition, name: str, value: object, present: Mapping[str, object]
) -> None:
    space = definition.search_space
    if name not in space:
        raise ValueError(
            f"{name!r} is not in the `search_space` of definition.py, which has "
            f"{', '.join(map(repr, space)) or 'no parameter'}"
        )
    if value != present.get(name) and not is_in_space(space[name], value):
        raise ValueError(f"{name}={value!r} is outside of the `search_space` of definition.py")
