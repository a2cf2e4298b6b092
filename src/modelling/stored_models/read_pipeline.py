"""Read the pipeline of a stored model, which anyone who can write to the registry may have changed.

skops only builds trusted types. This module also checks what skops does not: that the file does not
unpack to more than its size, that the pipeline is the definition's, and that compiled code can read
its arrays safely.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from cli.errors import UserError
from modelling.definition import ModelDefinition
from modelling.stored_models.array_checks import check_arrays
from modelling.stored_models.file_checks import RefusedModelError, check_file
from modelling.stored_models.structure_checks import check_structure, walk_objects


def read_pipeline(file: Path, name: str, definition: ModelDefinition) -> Pipeline:
    """Read the fitted pipeline in a file that training with this code could have written.

    `name` is the model's name in messages.

    Raises:
        UserError: the file cannot be read, or contains something else.
    """
    try:
        check_file(file, definition)
        pipeline = cast("Pipeline", skops.io.load(file, trusted=definition.collect_trusted_types()))
        check_structure(pipeline, definition)
        check_arrays(walk_objects(pipeline))
    except RefusedModelError as error:
        raise UserError(f"{name} was not loaded: {error}.") from error
    except UntrustedTypesFoundException as error:
        raise UserError(
            f"{name} was not loaded: {error} If the model needs a type, add it to `trusted_types` "
            "in definition.py."
        ) from error
    except Exception as error:  # a modified file may raise anything
        raise UserError(
            f"{name} cannot be read: {file.name} is not a complete skops file "
            f"({ascii(error)[:200]})."
        ) from error
    return pipeline
