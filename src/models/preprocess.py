"""Write the input of a model's last step: the preprocessed training rows and hold-out.

Examples:
  python -m models.preprocess --model diabetes
  python -m models.preprocess --model diabetes --output s3://bucket/preprocessed

--output is a local folder or one in an object store: docs/pages/places.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from modelling import model_task
from modelling.settings import PreprocessSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: PreprocessSettings, context: TaskContext) -> int:
    """Write the two tables and show where they are."""
    from modelling.training.preprocess_task import write_preprocessed

    write_preprocessed(definition, settings, context)
    return 0


main = partial(model_task.main, "preprocess", PreprocessSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
