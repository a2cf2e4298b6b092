"""The files of what is started: made beside, checked, and put in their places together."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pandera.pandas as pa

from cli.errors import InputError
from cli.terminal import say, show_tree
from data_access_layer.atomic import staged
from data_access_layer.formats.writer import TableWriter
from data_access_layer.tables.stored_table import plain_batches
from tools.contracts.contract import Contract, contract_of
from tools.contracts.contract_files import FOLDER, file_name, to_text
from tools.scaffold.template import MODEL, Template, render

SAMPLE = "sample.parquet"
LONGEST_NAME = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def check_name(root: Path, template: Template, name: str) -> None:
    """Refuse a name that nothing of this kind can have.

    Raises:
        InputError: it is no name in snake_case, or something has it already.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"{name!r} cannot be {template.kind}'s name: expected snake_case, such as "
            f"{template.example}, at most {LONGEST_NAME} characters and none of Python's own words."
        )
    for path in template.taken_paths(name):
        if (root / path).exists():
            raise InputError(f"{name!r}: {path} is there already. Choose another name.")


def start(
    root: Path,
    template: Template,
    name: str,
    rows: pd.DataFrame,
    answers: Mapping[str, Any],
    *,
    dry_run: bool,
) -> bool:
    """Write all files of something new, or with `dry_run` show them; whether they are written.

    `rows` keep its contracts; a model learns from them, and they are among its files.

    Raises:
        InputError: a place cannot be written.
        UserError: Copier fails, or the disk is full; nothing was written.
    """
    with _made(root, template, name, rows, answers) as folder:
        if dry_run:
            show_tree(path.relative_to(folder) for path in folder.rglob("*"))
            return False
        _write(root, template, name, folder)
    return True


def say_left_out(answers: Mapping[str, Any]) -> None:
    """Name the columns of a sample that are in no contract."""
    for one in answers["left_out"]:
        say(f"Left out: the column {one['name']}, which has {one['reason']}.")


@contextmanager
def _made(
    root: Path, template: Template, name: str, rows: pd.DataFrame, answers: Mapping[str, Any]
) -> Iterator[Path]:
    """Yield a folder with all files of something new, each where it will be from the root."""
    say(f"{name}: asking Copier for its files …")
    with tempfile.TemporaryDirectory(prefix="new-") as temporary:
        folder = Path(temporary) / "new"
        render(root, template, name, answers, folder)
        if template is MODEL:
            sample = folder / "src/models" / name / SAMPLE
            with TableWriter(str(sample), format="parquet") as writer:
                for batch in plain_batches([rows], name=SAMPLE):
                    writer.write_batch(batch)
        for model in _contracts(folder / f"src/datasets/{name}.py", f"datasets.{name}"):
            model.validate(rows, lazy=True)
            _export(contract_of(model), folder / FOLDER)
        yield folder


def _write(root: Path, template: Template, name: str, folder: Path) -> None:
    """Put all files in their places."""
    with ExitStack() as stack:
        for path in (*template.paths(name), *template.contract_paths(name)):
            staging = stack.enter_context(staged(root / path, option="folder"))
            copy = shutil.copytree if (folder / path).is_dir() else shutil.copy
            copy(folder / path, staging)


def _export(contract: Contract, folder: Path) -> None:
    """As `contracts -- export` would."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file_name(contract.name)).write_text(to_text(contract), encoding="utf-8")


def _contracts(file: Path, module: str) -> list[type[pa.DataFrameModel]]:
    """The contracts of a module that no package has yet."""
    loaded = ModuleType(module)
    # Pandera looks the types of columns up there.
    sys.modules[module] = loaded
    try:
        exec(compile(file.read_text(encoding="utf-8"), file, "exec"), vars(loaded))
        models = [
            value
            for value in vars(loaded).values()
            if isinstance(value, type)
            and issubclass(value, pa.DataFrameModel)
            and value.__module__ == module
        ]
        for model in models:
            model.to_schema()
    finally:
        del sys.modules[module]
    return models
