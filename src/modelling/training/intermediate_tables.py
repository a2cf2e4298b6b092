"""Write the output of single pipeline steps for the labelled rows, to inspect it."""

from __future__ import annotations

from typing import cast

import pandas as pd
from sklearn.pipeline import Pipeline

from cli.terminal import show_table
from data_access_layer.commit.destination import Destination, Origin
from data_access_layer.formats.writer import as_batches
from modelling.definition import ModelDefinition
from modelling.registry.compatibility import git_commit
from modelling.training.split import Split

SEED = 0


def fit_steps(definition: ModelDefinition, steps: Pipeline, rows: Split) -> Pipeline:
    """Fit steps of a pipeline on the training rows; they return DataFrames."""
    inputs = rows.training[definition.input_columns()]
    steps.set_output(transform="pandas")
    return cast("Pipeline", steps.fit(inputs, rows.training[definition.target]))


def transform_labelled(
    definition: ModelDefinition, steps: Pipeline, labelled: pd.DataFrame
) -> pd.DataFrame:
    """Transform labelled rows with fitted steps, and add the target."""
    transformed: pd.DataFrame = steps.transform(labelled[definition.input_columns()])
    return transformed.assign(**{definition.target: labelled[definition.target].to_numpy()})


def write_table(definition: ModelDefinition, frame: pd.DataFrame, destination: Destination) -> None:
    """Write a table with its manifest."""
    origin = Origin(
        source=f"{definition.name} labelled rows", model=definition.name, git_commit=git_commit()
    )
    destination.replace(as_batches([frame]), origin)


def show_written(title: str, tables: dict[str, pd.DataFrame], output: str) -> None:
    """Show where the tables are, and how many rows and columns they have."""
    rows = [
        (name, f"{len(table):,} rows x {table.shape[1]} columns") for name, table in tables.items()
    ]
    show_table(title, ["", ""], [*rows, ("output", output)])
