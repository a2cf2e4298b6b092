"""Hostile names through every command: each option, and the names of files and columns.

Whatever the name is, a command does its work or prints one message, and the terminal gets no
control character of the name.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from cli.task import DEFAULTS
from config.settings import Settings
from data_exports import export, verify
from models import evaluate, predict
from models.iris.definition import MODEL
from support.tasks import CallTask, Result
from validation import drift, validate_data

# An escape sequence, text that is turned around, markup, a line break, bytes that are not UTF-8.
NAMES = ("a\x1b]0;title\x07", "csv.\u202eexe", "[/red][bold]z", "x\n/close\r", "\udcff")
HARMFUL = {"\x1b", "\x07", "\u202e", "\r", "\udcff"}
TASKS = ("train", "evaluate", "gate", "predict", "features", "preprocess", "tune")
COMMANDS = {
    **{f"models.{task}": ("--model", "iris") for task in TASKS},
    "data_exports.export": (),
    "data_exports.verify": (),
    "feature_store.extract": (),
    "tools.change.affected": (),
    "tools.change.pipeline": (),
    "tools.release.deploy": (),
    "tools.release.rollback": (),
    "tools.retire.retire_model": (),
    "tools.scaffold.new_dataset": (),
    "tools.scaffold.new_feature_view": (),
    "tools.scaffold.new_model": (),
    "tools.scaffold.update_from_template": (),
    "tools.upgrade.upgrade": (),
    "validation.drift": (),
    "validation.gate_model": (),
    "validation.validate_data": (),
}

# What Parquet can hold.
COLUMNS = NAMES[:-1]

pytestmark = pytest.mark.usefixtures("repository")


def options() -> Iterator[tuple[str, str]]:
    """Each command with each of its options that take text, and its argument as an empty option."""
    for command in COMMANDS:
        yield command, "--config="
        for name, field in settings_of(command).model_fields.items():
            if any("Positional" in repr(one) for one in field.metadata):
                yield command, ""
            elif field.annotation not in (bool, int, float):
                yield command, f"--{name.replace('_', '-')}="


def settings_of(command: str) -> type[Settings]:
    module = importlib.import_module(command)
    (settings,) = (
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Settings)
        and name not in ("Settings", "TrackingSettings")
    )
    return settings


def check(result: Result) -> None:
    assert not HARMFUL & set(result.out + result.err), result
    assert "This is a defect" not in result.err, result
    assert result.code in (0, 1, 2)


@pytest.mark.parametrize(("command", "option"), options())
def test_each_option_is_used_or_refused(command: str, option: str, call: CallTask) -> None:
    main: Callable[..., NoReturn] = importlib.import_module(command).main
    for name in NAMES:
        check(call(main, *COMMANDS[command], f"{option}{name}"))


def test_names_of_columns_and_files_stay_as_they_are(
    call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    rows = MODEL.load_labelled(DEFAULTS)
    rows = rows.assign(**dict.fromkeys(COLUMNS, "=1+1"))
    rows.to_parquet("rows.parquet")
    for name in NAMES:
        folder = name.replace("/", "-")
        Path(folder).mkdir()
        source = f"{folder}/rows.parquet"
        shutil.copy("rows.parquet", source)
        predictions = f"{folder}/predictions.csv"
        calls = (
            (predict.main, "--model", "iris", "--input", source, "--output", predictions),
            (verify.main, "--table", predictions),
            (evaluate.main, "--model", "iris", "--input", source),
            (export.main, "--src", source, "--dst", f"{folder}/exported.csv"),
            (verify.main, "--table", f"{folder}/exported.csv"),
            (drift.main, "--reference", source, "--current", source, "--output", f"{folder}/d"),
            (validate_data.main, "--contract", "flowers", "--input", source),
        )
        for main, *argv in calls:
            result = call(main, *argv)
            check(result)
            assert result.code == 0, result
        header = Path(predictions).read_bytes().decode()
        assert all(column in header for column in COLUMNS)
