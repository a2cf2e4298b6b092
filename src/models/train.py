"""Train a model, compare it with the champion, and promote it if its gate holds.

Examples:
  python -m models.train --model iris
  python -m models.train --model iris --seed 7 --folds 10
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from models import task
from models.settings import TrackingSettings, TrainSettings

if TYPE_CHECKING:
    from config.task import LoadSettings
    from models.definition import ModelDefinition


def run(definition: ModelDefinition, settings: TrainSettings, load_settings: LoadSettings) -> int:
    """Train one version, with its pictures, and show how it compares."""
    from models.pictures import confusion_matrix
    from models.tracking import Registry
    from models.training import train

    train(
        definition,
        settings,
        Registry.connect(load_settings(TrackingSettings)),
        pictures=confusion_matrix,
    )
    return 0


def main(
    definition: str | None = None,
    *,
    doc: str | None = __doc__,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """The command line."""
    task.main("train", TrainSettings, run, definition=definition, doc=doc, argv=argv)


if __name__ == "__main__":
    main()
