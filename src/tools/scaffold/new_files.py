"""Write the files of a new model, dataset or feature view: all of them, or none."""

from __future__ import annotations

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
from data_access_layer.atomic import stage_path
from data_access_layer.formats.writer import TableWriter
from data_access_layer.tables.stored_table import plain_batches
from tools.contracts.contract import Contract, contract_of
from tools.contracts.contract_files import FOLDER, file_name, to_text
from tools.scaffold.template import MODEL, Template, render
from tools.workspace.model_names import is_model_name

SAMPLE = "sample.parquet"
MAX_NAME_LENGTH = 30
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def check_name(root: Path, template: Template, name: str) -> None:
    """Check that a new model, dataset or feature view can have a name.

    Raises:
        InputError: the name is not valid, or something has it already.
    """
    valid = is_model_name(name) and _SNAKE_CASE.fullmatch(name)
    if not valid or len(name) > MAX_NAME_LENGTH:
        raise InputError(
            f"{name!r} is not a valid name for {template.kind}. Expected snake_case such as "
            f"{template.example}, at most {MAX_NAME_LENGTH} characters, and not a Python keyword."
        )
    for path in template.taken_paths(name):
        if (root / path).exists():
            raise InputError(f"{name!r}: {path} already exists. Choose another name.")


def start(
    root: Path,
    template: Template,
    name: str,
    rows: pd.DataFrame,
    data: Mapping[str, Any],
    *,
    dry_run: bool,
) -> bool:
    """Write all files from a template, or show them with `dry_run`; return whether it wrote them.

    The rows are validated against the new contracts. A model's folder also keeps them.

    Raises:
        InputError: a file cannot be written.
        UserError: Copier fails, or the disk is full. Nothing was written.
    """
    with _prepare(root, template, name, rows, data) as folder:
        if dry_run:
            show_tree(path.relative_to(folder) for path in folder.rglob("*"))
            return False
        _install(root, template, name, folder)
    return True


def say_left_out(data: Mapping[str, Any]) -> None:
    """Name the columns of a sample that are not in the contract."""
    for one in data["left_out"]:
        say(f"Left out: the column {one['name']}, which has {one['reason']}.")


@contextmanager
def _prepare(
    root: Path, template: Template, name: str, rows: pd.DataFrame, data: Mapping[str, Any]
) -> Iterator[Path]:
    """Write all files into a temporary folder, under their paths from the root."""
    say(f"{name}: Copier renders the template …")
    with tempfile.TemporaryDirectory(prefix="new-") as temporary:
        folder = Path(temporary) / "new"
        render(root, template, name, data, folder)
        if template is MODEL:
            sample = folder / "src/models" / name / SAMPLE
            with TableWriter(str(sample), format="parquet") as writer:
                for batch in plain_batches([rows], name=SAMPLE):
                    writer.write_batch(batch)
        for model in _load_contracts(folder / f"src/datasets/{name}.py", f"datasets.{name}"):
            model.validate(rows, lazy=True)
            _export(contract_of(model), folder / FOLDER)
        yield folder


def _install(root: Path, template: Template, name: str, folder: Path) -> None:
    """Move all files to where they belong, together."""
    with ExitStack() as stack:
        for path in (*template.paths(name), *template.contract_paths(name)):
            staging = stack.enter_context(stage_path(root / path, option="folder"))
            copy = shutil.copytree if (folder / path).is_dir() else shutil.copy
            copy(folder / path, staging)


def _export(contract: Contract, folder: Path) -> None:
    """Write a contract as `contracts -- export` does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file_name(contract.name)).write_text(to_text(contract), encoding="utf-8")


def _load_contracts(file: Path, module: str) -> list[type[pa.DataFrameModel]]:
    """Load the contracts of a module that is not in its package yet."""
    loaded = ModuleType(module)
    # Pandera looks up the types of columns there.
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
