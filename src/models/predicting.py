"""The task `predict`: which tables, by which version, by which engine, and where it all goes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from config.errors import InputError
from config.terminal import say, show_table
from config.tracking import TrackingSettings
from data_access_layer.atomic import refuse_overwriting, staged
from data_access_layer.commit.staged_table import staged_table
from data_access_layer.files import (
    FORMATS,
    MANIFEST_SUFFIX,
    STANDARD_STREAM,
    FilePath,
    format_of,
    manifest_path,
    stem_of,
)
from data_access_layer.formats.text_types import TextsAs
from data_access_layer.open import destination_file, open_source
from data_access_layer.reader import FrameTable, NoRowsError, Table
from data_access_layer.tables.files import TableFile, TableFiles, files_read
from models.definition import ModelDefinition
from models.engines import Job, chosen_engine
from models.loading import NoChampionError, find_version
from models.scoring import ATTEMPTS, Outcome, Part, Scorer, Tally
from models.settings import PredictSettings, TrainSettings
from models.tracking import Registry
from models.training import train
from validation.contract import contract_dtypes

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from config.task import LoadSettings
    from models.engines import Engine

DEFAULT_OUTPUT = "predictions/{model}.parquet"
DEFAULT_FOLDER = "predictions/{model}"
WRITTEN = ("parquet", "csv")


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


def predict(
    definition: ModelDefinition, settings: PredictSettings, load_settings: LoadSettings
) -> None:
    """Predict a table, write it whole or not at all, and show a summary.

    Raises:
        InputError: the input cannot be read or breaks its contract, or the output cannot be there.
        UserError: there is no model to use, or it was made with other code, or the disk is full,
            or the engine cannot be had.
    """
    started = time.monotonic()
    engine = chosen_engine(settings, definition.name)
    default = DEFAULT_FOLDER if engine else DEFAULT_OUTPUT
    output = settings.output or default.format(model=definition.name)
    with ExitStack() as stack:
        if engine:
            _check_parts(settings.input, output)
        tables = _input_tables(definition, settings.input, load_settings, stack, output=output)
        destination = _destination(output, load_settings)
        if destination is not None:
            refuse_overwriting(files_read(tables), destination)
        registry = Registry.connect(load_settings(TrackingSettings))
        version = _version(definition, settings, registry, load_settings)
        chosen = _Chosen(definition, registry, version, settings)
        if destination is None:
            tally = _write_standard_output(chosen.scorer(), _as_one(tables, settings.input))
        elif isinstance(destination, Path) and _is_folder(output):
            tally = _write_folder(chosen, engine, tables, destination)
        else:
            tally = _write_file(chosen.scorer(), _as_one(tables, settings.input), destination)
    _show(version, tally, output, time.monotonic() - started)


def _input_tables(
    definition: ModelDefinition,
    location: str | None,
    load_settings: LoadSettings,
    stack: ExitStack,
    *,
    output: str,
) -> Sequence[Table]:
    if location is None:
        return [FrameTable(_own_input(definition, load_settings), f"{definition.name} sample data")]
    dtypes = contract_dtypes(definition.input_contract)
    # In CSV, further columns come out as the same texts whatever their type is.
    is_text = output == STANDARD_STREAM or Path(output).suffix.lower() == ".csv"
    texts_as: TextsAs = "text" if is_text else "exact"
    source = open_source(location, load_settings, stack, dtypes=dtypes, texts_as=texts_as)
    return source.files if isinstance(source, TableFiles) else [source]


def _as_one(tables: Sequence[Table], location: str | None) -> Table:
    files = [table for table in tables if isinstance(table, TableFile)]
    return TableFiles(files, location or "") if len(files) > 1 else tables[0]


def _own_input(definition: ModelDefinition, load_settings: LoadSettings) -> pd.DataFrame:
    if definition.load_input:
        return definition.load_input(load_settings)
    return definition.load_labelled(load_settings)[definition.input_columns()]


def _version(
    definition: ModelDefinition,
    settings: PredictSettings,
    registry: Registry,
    load_settings: LoadSettings,
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
        train(definition, load_settings(TrainSettings), registry, load_settings=load_settings)
        return find()


def _check_parts(location: str | None, output: str) -> None:
    """Refuse what is no folder of parts that other processes could open."""
    if location in (None, STANDARD_STREAM):
        raise InputError("--engine dask reads files: name one, or a folder of them, with --input.")
    if output == STANDARD_STREAM or not _is_folder(output):
        raise InputError(
            f"--engine dask writes a folder, a file for each file of the input, and {output} is "
            "none. Name a folder with --output, or choose --engine local."
        )


def _is_folder(output: str) -> bool:
    return Path(output).suffix.lower() not in FORMATS


def _destination(output: str, load_settings: LoadSettings) -> FilePath | None:
    """Where the predictions go, None for standard output; what could only fail late is refused."""
    if output == STANDARD_STREAM:
        return None
    if not _is_folder(output) and format_of(PurePosixPath(output)) not in WRITTEN:
        raise InputError(
            f"{output}: predictions are written as Parquet or CSV. Choose one of them, and "
            "export it: ./pants run src/data_exports:export -- --help"
        )
    path = destination_file(output, load_settings, option="--output")
    if isinstance(path, Path):
        _check_local(path)
    elif _is_folder(output):
        raise InputError(
            f"{output}: expected a name that ends in .parquet or .csv. Folders of predictions are "
            "written on this machine only."
        )
    return path


def _check_local(path: Path) -> None:
    if not _is_folder(path.name):
        if path.is_dir():
            raise InputError(f"{path}: is a folder; --output names a file by its ending.")
        return
    if path.exists() and not path.is_dir():
        raise InputError(
            f"{path}: is no folder, and its ending is none of {', '.join(FORMATS)}. "
            "Give --output one of these endings, or the name of a folder."
        )
    foreign = [
        entry
        for entry in (path.iterdir() if path.exists() else ())
        if not (entry.name.endswith(MANIFEST_SUFFIX) or manifest_path(entry).exists())
    ]
    if foreign:
        raise InputError(
            f"{path}: the folder would be replaced, and holds {foreign[0].name}, which no "
            "prediction wrote. Choose another --output."
        )


def _write_file(scorer: Scorer, table: Table, destination: FilePath) -> Tally:
    tally = Tally()
    with staged_table(destination) as staging:
        staging.manifest = scorer.write(table, staging.path, destination, tally)
    return tally


def _write_folder(
    chosen: _Chosen, engine: Engine | None, tables: Sequence[Table], destination: Path
) -> Tally:
    """Each table becomes a file, with its manifest; all rows that break the contract are told."""
    names = _part_names([Path(table.name) for table in tables])
    tally = Tally()
    with staged(destination) as folder:
        (folder / ATTEMPTS).mkdir(parents=True)
        parts = [
            Part(table, folder / f"{name}.parquet")
            for table, name in zip(tables, names, strict=True)
        ]
        outcomes = engine(chosen.job(), parts) if engine else _one_by_one(chosen.scorer(), parts)
        with closing(outcomes):
            for outcome in outcomes:
                tally.merge(outcome.tally)
                if outcome.manifest:
                    outcome.manifest.write(manifest_path(outcome.part.path))
        if tally.failures:
            raise tally.failures.error()
        if not tally.rows:
            raise NoRowsError(f"{Path(tables[0].name).parent}: no file of the folder has rows.")
        shutil.rmtree(folder / ATTEMPTS)
    return tally


def _part_names(files: Sequence[Path]) -> list[str]:
    """A name for each file: without its ending or else with it, or else with its folders, too."""
    whole = [file.name for file in files]
    plain = [stem_of(file) for file in files]
    below = os.path.commonpath([file.parent for file in files])
    nested = ["-".join(file.relative_to(below).parts) for file in files]
    return next(names for names in (plain, whole, nested) if len(set(names)) == len(names))


def _one_by_one(scorer: Scorer, parts: Sequence[Part]) -> Generator[Outcome]:
    """The local engine; after a failure the rest is only checked, so that all can be told."""
    broken = False
    for part in parts:
        outcome = scorer.score(part, only_check=broken)
        broken = broken or bool(outcome.tally.failures)
        yield outcome


def _write_standard_output(scorer: Scorer, table: Table) -> Tally:
    """As CSV, after the last row is checked: a pipe gets all rows or none."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="predictions-") as folder:
        part = Path(folder) / "standard-output.csv"
        scorer.write(table, part, part, tally)
        with part.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
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
