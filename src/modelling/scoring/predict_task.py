"""The task `predict`: which table, by which version, by which engine, and where it all goes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cli.errors import InputError
from cli.terminal import say, show_table
from config.tracking import TrackingSettings
from data_access_layer.commit.destination import Destination
from data_access_layer.commit.staging import staged_output
from data_access_layer.files import (
    MANIFEST_SUFFIX,
    STANDARD_STREAM,
    WRITTEN_FORMATS,
    FilePath,
    manifest_path,
    stem_of,
)
from data_access_layer.formats.text_types import TextsAs
from data_access_layer.formats.writer import TableWriter
from data_access_layer.open import (
    StoreTable,
    destination_folder,
    open_destination,
    open_source,
    refuse_own_input,
)
from data_access_layer.reader import FrameTable, NoRowsError, Table
from data_access_layer.tables.files import TableFiles
from data_access_layer.text import counting_formulas, formula_warning
from datasets.checks import contract_dtypes
from modelling.definition import ModelDefinition
from modelling.registry.find_version import NoChampionError, find_version
from modelling.registry.mlflow_registry import Registry
from modelling.scoring.engines import Engine, Job, chosen_engine
from modelling.scoring.scorer import ATTEMPTS, Part, Scorer, Tally
from modelling.settings import PredictSettings, TrainSettings
from modelling.training.train_task import train

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from cli.task import TaskContext

type Source = TableFiles | StoreTable | FrameTable
_ADVICE = "export it as .xlsx: ./pants run src/data_exports:export -- --help"


@dataclass(frozen=True)
class _Chosen:
    """The version that predicts, and where it is."""

    definition: ModelDefinition
    registry: Registry
    version: ModelVersion
    settings: PredictSettings

    def scorer(self) -> Scorer:
        """For this process."""
        model = self.registry.load(self.version, self.definition)
        settings = self.settings
        return Scorer(self.definition, self.version, model, settings.batch_rows, settings.jobs)

    def job(self) -> Job:
        """For other processes."""
        return Job(
            model=self.definition.name,
            version=str(self.version.version),
            registry=self.registry.uri,
            allow_mismatch=self.settings.allow_mismatch,
            batch_rows=self.settings.batch_rows,
        )


def predict(definition: ModelDefinition, settings: PredictSettings, context: TaskContext) -> None:
    """Predict a table, write it whole or not at all, and show a summary.

    Raises:
        InputError: the input cannot be read or breaks its contract, or the output cannot be there.
        UserError: there is no model to use, or it was made with other code, or the disk is full,
            or the engine cannot be had.
    """
    started = time.monotonic()
    engine = chosen_engine(settings, definition.name)
    output = settings.output or engine.default_output.format(model=definition.name)
    folder = None if output == STANDARD_STREAM else destination_folder(output, context)
    engine.check(settings.input, output, has_parts=folder is not None)
    source = _source(definition, settings.input, context, output=output)
    destination = _destination(output, folder, context)
    if destination is not None and not isinstance(source, FrameTable):
        refuse_own_input(source, destination)
    registry = Registry.connect(context.load(TrackingSettings))
    version = _version(definition, settings, registry, context)
    chosen = _Chosen(definition, registry, version, settings)
    if destination is None:
        tally = _write_standard_output(chosen.scorer(), source)
    elif isinstance(destination, Destination):
        tally = _write_table(chosen.scorer(), source, destination)
    else:
        tally = _write_folder(chosen, engine, source, destination)
    _show(version, tally, output, time.monotonic() - started)
    if tally.formulas:
        say(formula_warning(tally.formulas, _ADVICE))


def _source(
    definition: ModelDefinition,
    location: str | None,
    context: TaskContext,
    *,
    output: str,
) -> Source:
    if location is None:
        return FrameTable(_own_input(definition, context), f"{definition.name} sample data")
    dtypes = contract_dtypes(definition.input_contract)
    # In CSV, further columns come out as the same texts whatever their type is.
    is_text = output == STANDARD_STREAM or Path(output).suffix.lower() == ".csv"
    texts_as: TextsAs = "text" if is_text else "exact"
    return open_source(location, context, dtypes=dtypes, texts_as=texts_as)


def _own_input(definition: ModelDefinition, context: TaskContext) -> pd.DataFrame:
    if definition.load_input:
        return definition.load_input(context)
    return definition.load_labelled(context)[definition.input_columns()]


def _version(
    definition: ModelDefinition,
    settings: PredictSettings,
    registry: Registry,
    context: TaskContext,
) -> ModelVersion:
    def find() -> ModelVersion:
        return find_version(
            definition,
            registry,
            number=settings.version,
            allow_mismatch=settings.allow_mismatch,
        )

    try:
        return find()
    except NoChampionError:
        if not settings.train_if_missing:
            raise
        say(f"{definition.name} has no champion yet: training one first.")
        train(definition, context.load(TrainSettings), registry, context=context)
        return find()


def _destination(
    output: str, folder: FilePath | None, context: TaskContext
) -> Destination | FilePath | None:
    """A table, a folder, or None for standard output; what could only fail late is refused."""
    if output == STANDARD_STREAM:
        return None
    if folder is not None:
        _check_folder(folder)
        return folder
    destination = open_destination(output, context, option="--output")
    destination.check(None)
    return destination


def _check_folder(folder: FilePath) -> None:
    if isinstance(folder, Path):
        if folder.exists() and not folder.is_dir():
            raise InputError(
                f"{folder}: is not a folder, and its ending is none of "
                f"{', '.join(WRITTEN_FORMATS)}. Give --output one of these endings, or the name "
                "of a folder."
            )
        names = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    else:
        names = {*folder.entries()}
    for name in sorted(names):
        if not name.endswith(MANIFEST_SUFFIX) and f"{name}{MANIFEST_SUFFIX}" not in names:
            raise InputError(
                f"{folder}: the folder would be replaced, and holds {name}, which no prediction "
                "wrote. Choose another --output."
            )


def _write_table(scorer: Scorer, source: Table, destination: Destination) -> Tally:
    tally = Tally()
    with closing(scorer.batches(source, tally)) as batches:
        is_csv = destination.format == "csv"
        rows = counting_formulas(batches, tally.formulas) if is_csv else batches
        destination.replace(rows, scorer.origin(source))
    return tally


def _write_folder(chosen: _Chosen, engine: Engine, source: Source, destination: FilePath) -> Tally:
    """Each table becomes a file, with its manifest; all rows that break the contract are named."""
    tables: Sequence[Table] = source.files if isinstance(source, TableFiles) else [source]
    names = _part_names([Path(table.name) for table in tables])
    tally = Tally()
    with staged_output(destination) as folder:
        (folder / ATTEMPTS).mkdir(parents=True)
        parts = [
            Part(table, folder / f"{name}.parquet")
            for table, name in zip(tables, names, strict=True)
        ]
        with closing(engine.run(chosen, parts)) as outcomes:
            for outcome in outcomes:
                tally.merge(outcome.tally)
                if outcome.manifest:
                    outcome.manifest.write(manifest_path(outcome.part.path))
        if tally.failures:
            raise tally.failures.error()
        if not tally.rows:
            raise NoRowsError(f"{source.name}: no file of the folder has rows.")
        shutil.rmtree(folder / ATTEMPTS)
    return tally


def _part_names(files: Sequence[Path]) -> list[str]:
    """A name for each file: without its ending or else with it, or else with its folders, too."""
    whole = [file.name for file in files]
    plain = [stem_of(file) for file in files]
    below = os.path.commonpath([file.parent for file in files])
    nested = ["-".join(file.relative_to(below).parts) for file in files]
    return next(names for names in (plain, whole, nested) if len(set(names)) == len(names))


def _write_standard_output(scorer: Scorer, source: Table) -> Tally:
    """As CSV, after the last row is checked: a pipe gets all rows or none."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="predictions-") as folder:
        file = Path(folder) / "standard-output.csv"
        with (
            closing(scorer.batches(source, tally)) as batches,
            TableWriter(str(file), format="csv") as writer,
        ):
            for batch in counting_formulas(batches, tally.formulas):
                writer.write_batch(batch)
        with file.open("rb") as rows:
            shutil.copyfileobj(rows, sys.stdout.buffer, 1 << 20)
        sys.stdout.flush()
    return tally


def _show(version: ModelVersion, tally: Tally, output: str, seconds: float) -> None:
    facts = [
        ("rows", f"{tally.rows:,}"),
        *((f"  {name}", value) for name, value in tally.summary()),
        ("seconds", f"{seconds:.1f}"),
        ("model version", f"{version.name} {version.version}"),
        ("output", "standard output" if output == STANDARD_STREAM else output),
    ]
    show_table(
        f"{version.name}: predicted",
        ["", ""],
        facts,
        stderr=output == STANDARD_STREAM,
    )
