"""Write what a model's last step sees: its training rows and its hold-out, preprocessed.

Examples:
  python -m models.preprocess --model diabetes
  python -m models.preprocess --model diabetes --output preprocessed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from models import task
from models.settings import PreprocessSettings

if TYPE_CHECKING:
    from config.task import LoadSettings
    from models.definition import ModelDefinition


def run(
    definition: ModelDefinition, settings: PreprocessSettings, load_settings: LoadSettings
) -> int:
    """Write the two tables and show where they are."""
    from models.stages import write_preprocessed

    write_preprocessed(definition, settings, load_settings)
    return 0


def main(
    definition: str | None = None,
    *,
    doc: str | None = __doc__,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """The command line."""
    task.main("preprocess", PreprocessSettings, run, definition=definition, doc=doc, argv=argv)


if __name__ == "__main__":
    main()
