"""Split the labelled rows of a model into training rows and the hold-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pandera.typing import DataFrame
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from cli.task import DEFAULTS, TaskContext
from modelling.definition import ModelDefinition

SPLIT_SEED = 0


@dataclass(frozen=True)
class Split:
    """Rows to train on, and rows to evaluate on only."""

    training: DataFrame[Any]
    hold_out: DataFrame[Any]


def split(definition: ModelDefinition, context: TaskContext = DEFAULTS) -> Split:
    """Split the model's data set: classes stratified, rows of one group on the same side.

    The split does not depend on the seed of a training. Otherwise a version could have memorized
    the rows on which it is compared with the champion.
    """
    labelled = definition.load_labelled(context)
    if definition.groups:
        splitter = GroupShuffleSplit(1, test_size=definition.hold_out, random_state=SPLIT_SEED)
        indices = next(splitter.split(labelled, groups=labelled[definition.groups]))
        training, hold_out = (labelled.iloc[rows] for rows in indices)
    else:
        classes = labelled[definition.target] if definition.kind == "classification" else None
        training, hold_out = train_test_split(
            labelled, test_size=definition.hold_out, random_state=SPLIT_SEED, stratify=classes
        )
    return Split(training.reset_index(drop=True), hold_out.reset_index(drop=True))
