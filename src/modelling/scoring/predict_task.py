"""The task `predict`: open the input, find the version, run the engine, write the output."""

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
from data_access_layer.commit.staging import stage_output
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
    StoreSource,
    destination_folder,
    open_destination,
    open_source,
    refuse_own_input,
)
from data_access_layer.reader import FrameTable, NoRowsError, Table
from data_access_layer.tables.files import TableFiles
from data_access_layer.text import count_formulas, formula_warning
from datasets.checks import contract_dtypes
from modelling.definition import ModelDefinition
from modelling.registry.find_version import NoChampionError, find_version
from modelling.registry.mlflow_registry import Registry
from modelling.scoring.engines import Engine, Job, choose_engine
from modelling.scoring.scorer import ATTEMPTS, PartFile, PredictionStatistics, Scorer
from modelling.settings import PredictSettings, TrainSettings
from modelling.training.train_task import train

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from cli.task import TaskContext

type Source = TableFiles | StoreSource | FrameTable
_ADVICE = "export it as .xlsx: ./pants run src/data_exports:export -- --help"


@dataclass(frozen=True)
class _SelectedVersion:
    """The version that predicts, and its registry."""

    definition: ModelDefinition
    registry: Registry
    version: ModelVersion
    settings: PredictSettings

    def load_scorer(self) -> Scorer:
        """Load the model in this process."""
        model = self.registry.load(self.version, self.definition)
        settings = self.settings
        return Scorer(self.definition, self.version, model, settings.batch_rows, settings.jobs)

    def to_job(self) -> Job:
        """Describe the version for other processes."""
        return Job(
            model=self.definition.name,
            version=str(self.version.version),
            registry=self.registry.uri,
            allow_mismatch=self.settings.allow_mismatch,
            batch_rows=self.settings.batch_rows,
        )


def predict(definition: ModelDefinition, settings: PredictSettings, context: TaskContext) -> None:
    """Predict a table, write all predictions or nothing, and show a summary.

    Raises:
        InputError: the input cannot be read or breaks its contract, the output cannot be written
            there, or the package does not contain the engine.
        UserError: there is no version to load, or other code trained it, or the disk is full.
    """
    started = time.monotonic()
    engine = choose_engine(settings, definition.name)
    output = settings.output or engine.default_output.format(model=definition.name)
    folder = None if output == STANDARD_STREAM else destination_folder(output, context)
    engine.check(settings.input, output, output_is_folder=folder is not None)
    source = _open_input(definition, settings.input, context, output=output)
    destination = _open_output(output, folder, context)
    if destination is not None and not isinstance(source, FrameTable):
        refuse_own_input(source, destination)
    registry = Registry.connect(context.load(TrackingSettings))
    version = _find_or_train(definition, settings, registry, context)
    selected = _SelectedVersion(definition, registry, version, settings)
    if destination is None:
        stats = _write_standard_output(selected.load_scorer(), source)
    elif isinstance(destination, Destination):
        stats = _write_table(selected.load_scorer(), source, destination)
    else:
        stats = _write_folder(selected, engine, source, destination)
    _show(version, stats, output, time.monotonic() - started)
    if stats.formulas:
        say(formula_warning(stats.formulas, _ADVICE))


def _open_input(
    definition: ModelDefinition,
    location: str | None,
    context: TaskContext,
    *,
    output: str,
) -> Source:
    if location is None:
        return FrameTable(
            _load_default_input(definition, context), f"{definition.name} sample data"
        )
    dtypes = contract_dtypes(definition.input_contract)
    # Additional columns of a CSV file are copied as strings, so that no digit changes.
    is_text = output == STANDARD_STREAM or Path(output).suffix.lower() == ".csv"
    texts_as: TextsAs = "text" if is_text else "exact"
    return open_source(location, context, dtypes=dtypes, texts_as=texts_as)


def _load_default_input(definition: ModelDefinition, context: TaskContext) -> pd.DataFrame:
    if definition.load_input:
        return definition.load_input(context)
    return definition.load_labelled(context)[definition.input_columns()]


def _find_or_train(
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
        say(f"{definition.name} has no champion yet. Training one first.")
        train(definition, context.load(TrainSettings), registry, context=context)
        return find()


def _open_output(
    output: str, folder: FilePath | None, context: TaskContext
) -> Destination | FilePath | None:
    """Check the output before anything is predicted; None is standard output."""
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
                f"{folder}: is not a folder, and its file extension is not one of "
                f"{', '.join(WRITTEN_FORMATS)}. Set --output to a file with one of these "
                "extensions, or to a folder."
            )
        names = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    else:
        names = {*folder.list_entries()}
    for name in sorted(names):
        if not name.endswith(MANIFEST_SUFFIX) and f"{name}{MANIFEST_SUFFIX}" not in names:
            raise InputError(
                f"{folder}: predict would replace the folder, but did not write {name} in it. "
                "Choose another --output."
            )


def _write_table(scorer: Scorer, source: Table, destination: Destination) -> PredictionStatistics:
    stats = PredictionStatistics()
    with closing(scorer.batches(source, stats)) as batches:
        is_csv = destination.format == "csv"
        rows = count_formulas(batches, stats.formulas) if is_csv else batches
        destination.replace(rows, scorer.origin(source))
    return stats


def _write_folder(
    selected: _SelectedVersion, engine: Engine, source: Source, destination: FilePath
) -> PredictionStatistics:
    """Write one file with a manifest for each table; report all rows that break the contract."""
    tables: Sequence[Table] = source.files if isinstance(source, TableFiles) else [source]
    names = _name_part_files([Path(table.name) for table in tables])
    stats = PredictionStatistics()
    with stage_output(destination) as folder:
        (folder / ATTEMPTS).mkdir(parents=True)
        part_files = [
            PartFile(table, folder / f"{name}.parquet")
            for table, name in zip(tables, names, strict=True)
        ]
        with closing(engine.run(selected, part_files)) as outcomes:
            for outcome in outcomes:
                stats.merge(outcome.stats)
                if outcome.manifest:
                    outcome.manifest.write(manifest_path(outcome.part.path))
        if stats.failures:
            raise stats.failures.error()
        if not stats.rows:
            raise NoRowsError(f"{source.name}: no file of the folder has rows.")
        shutil.rmtree(folder / ATTEMPTS)
    return stats


def _name_part_files(files: Sequence[Path]) -> list[str]:
    """Choose the shortest distinct names: without extension, with it, or with the folders."""
    whole = [file.name for file in files]
    plain = [stem_of(file) for file in files]
    below = os.path.commonpath([file.parent for file in files])
    nested = ["-".join(file.relative_to(below).parts) for file in files]
    return next(names for names in (plain, whole, nested) if len(set(names)) == len(names))


def _write_standard_output(scorer: Scorer, source: Table) -> PredictionStatistics:
    """Write CSV after the last row is checked, so that a pipe gets all rows or none."""
    stats = PredictionStatistics()
    with tempfile.TemporaryDirectory(prefix="predictions-") as folder:
        file = Path(folder) / "standard-output.csv"
        with (
            closing(scorer.batches(source, stats)) as batches,
            TableWriter(str(file), format="csv") as writer,
        ):
            for batch in count_formulas(batches, stats.formulas):
                writer.write_batch(batch)
        with file.open("rb") as rows:
            shutil.copyfileobj(rows, sys.stdout.buffer, 1 << 20)
        sys.stdout.flush()
    return stats


def _show(version: ModelVersion, stats: PredictionStatistics, output: str, seconds: float) -> None:
    facts = [
        ("rows", f"{stats.rows:,}"),
        *((f"  {name}", value) for name, value in stats.summary()),
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
