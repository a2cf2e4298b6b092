"""The files of a new model: made beside, checked, and put in their places together."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import pandera.pandas as pa
from rich.console import Console
from rich.tree import Tree

from config.errors import InputError
from data_access_layer.atomic import staged
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location
from tools.contract import Contract, contract_of
from tools.contract_files import FOLDER, file_name, to_text
from tools.model_template import owned, render
from tools.sample import Sample

SAMPLE = "sample.parquet"
LONGEST_NAME = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def check_name(root: Path, name: str) -> None:
    """Refuse a name that no model can have.

    Raises:
        InputError: it is no name in snake_case, or something has it already.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"{name!r} cannot be a model's name: expected snake_case, such as churn or "
            f"late_payment, at most {LONGEST_NAME} characters and none of Python's own words."
        )
    for path in (*owned(name), *_also_taken(name)):
        if (root / path).exists():
            raise InputError(f"{name!r}: {path} is there already. Choose another name.")


def contract_paths(name: str) -> tuple[str, ...]:
    """The exported contracts of a model's rows, from the root."""
    return tuple(f"{FOLDER}/{file_name(one)}" for one in (name, f"labelled_{name}"))


def _also_taken(name: str) -> tuple[str, ...]:
    return (
        f"src/{name}",
        f"src/models/{name}.py",
        f"src/datasets/{name}",
        f"tests/models/{name}_test.py",
        *contract_paths(name),
    )


@contextmanager
def made(root: Path, name: str, sample: Sample) -> Iterator[Path]:
    """Yield a folder with all files of a new model, each where it will be from the root.

    Raises:
        UserError: Copier fails.
    """
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        folder = Path(temporary) / "new"
        render(root, name, sample.answers, folder)
        rows = open_location(str(folder / "src/models" / name / SAMPLE), StoreSettings())
        rows.write(sample.rows)
        for model in _contracts(folder / f"src/datasets/{name}.py", f"datasets.{name}"):
            model.validate(sample.rows, lazy=True)
            _export(contract_of(model), folder / FOLDER)
        yield folder


def write(root: Path, name: str, folder: Path) -> None:
    """Put all files in their places.

    Raises:
        InputError: a place cannot be written.
        UserError: the disk is full; nothing was written.
    """
    with ExitStack() as stack:
        for path in (*owned(name), *contract_paths(name)):
            staging = stack.enter_context(staged(root / path, option="folder"))
            copy = shutil.copytree if (folder / path).is_dir() else shutil.copy
            copy(folder / path, staging)


def show_tree(folder: Path) -> None:
    """Print the files below a folder."""
    trees = {folder: Tree(".")}
    for path in sorted(folder.rglob("*")):
        trees[path] = trees[path.parent].add(path.name)
    Console(highlight=False).print(trees[folder], markup=False)


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
