"""The labelled rows of a model: those it learns from, and the hold-out."""

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
    """The labelled rows that a model learns from, and those that only judge it."""

    training: DataFrame[Any]
    hold_out: DataFrame[Any]


def split(definition: ModelDefinition, context: TaskContext = DEFAULTS) -> Split:
    """Split the model's data set: classes stratified, rows of one group on one side.

    Always the same rows, whatever the seed of a training: a version that has learnt from rows that
    judge another one would win by heart.
    """
    labelled = definition.load_labelled(context)
    if definition.groups:
        splitter = GroupShuffleSplit(1, test_size=definition.hold_out, random_state=SPLIT_SEED)
        places = next(splitter.split(labelled, groups=labelled[definition.groups]))
        training, hold_out = (labelled.iloc[part] for part in places)
    else:
        classes = labelled[definition.target] if definition.kind == "classification" else None
        training, hold_out = train_test_split(
            labelled, test_size=definition.hold_out, random_state=SPLIT_SEED, stratify=classes
        )
    return Split(training.reset_index(drop=True), hold_out.reset_index(drop=True))
