"""Write the input of the pipeline's last step: preprocessed training rows and hold-out."""

from __future__ import annotations

from cli.task import TaskContext
from data_access_layer.commit.staging import stage_output
from data_access_layer.open import open_path
from data_access_layer.tables.written_file import FileDestination
from modelling.definition import ModelDefinition
from modelling.settings import PreprocessSettings
from modelling.training.intermediate_tables import (
    SEED,
    fit_steps,
    show_written,
    transform_labelled,
    write_table,
)
from modelling.training.split import split


def write_preprocessed(
    definition: ModelDefinition, settings: PreprocessSettings, context: TaskContext
) -> None:
    """Write the preprocessed training rows and hold-out, with the target.

    The steps are fitted on the training rows only, as `train` does.
    """
    rows = split(definition, context)
    fitted = fit_steps(definition, definition.build_pipeline(SEED)[:-1], rows)
    tables = {
        "training": transform_labelled(definition, fitted, rows.training),
        "hold_out": transform_labelled(definition, fitted, rows.hold_out),
    }
    output = settings.output or f"preprocessed/{definition.name}"
    folder = open_path(output, context, option="--output")
    with stage_output(folder) as staging:
        staging.mkdir()
        for name, table in tables.items():
            file = FileDestination(staging / f"{name}.parquet", "parquet")
            write_table(definition, table, file)
    show_written(f"{definition.name}: preprocessed", tables, output)
