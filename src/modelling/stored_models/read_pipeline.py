"""Read the pipeline of a stored model, which whoever can write to the registry may have altered.

skops builds no type that is not trusted. What it does not look at is checked here: that the file is
no larger than it seems, that the pipeline is the definition's, and that compiled code can rely on
its arrays.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from cli.errors import UserError
from modelling.definition import ModelDefinition
from modelling.stored_models.stored_arrays import check_arrays
from modelling.stored_models.stored_file import RefusedModelError, check_file
from modelling.stored_models.stored_structure import check_structure, objects


def read_pipeline(file: Path, name: str, definition: ModelDefinition) -> Pipeline:
    """The fitted pipeline in a file, if it is one that training with this code writes.

    Raises:
        UserError: it is not, or cannot be read; `name` is what the message calls it.
    """
    try:
        check_file(file, definition)
        pipeline = cast("Pipeline", skops.io.load(file, trusted=definition.trusted()))
        check_structure(pipeline, definition)
        check_arrays(objects(pipeline))
    except RefusedModelError as error:
        raise UserError(f"{name} was not loaded: {error}.") from error
    except UntrustedTypesFoundException as error:
        raise UserError(
            f"{name} was not loaded: {error} A type that the model needs is named in "
            "`trusted_types` of its definition.py."
        ) from error
    except Exception as error:  # whatever a file that somebody altered makes a reader raise
        raise UserError(
            f"{name} cannot be read: {file.name} is no whole skops file ({ascii(error)[:200]})."
        ) from error
    return pipeline
