"""Modules that only some packages have: imported by name, so that Pants infers no dependency.

A package has one of them, and the library behind it, where its BUILD file says so.
"""

from __future__ import annotations

import importlib
from typing import Any

from cli.errors import InputError

# Seen from here: whole names, with two dots, would be inferred (`string_imports` in pants.toml).
STORES = "stores"
DELTA = "tables.delta"
EXPORTS = "formats.export_writer"


def import_optional(name: str, *, place: str) -> Any:
    """The module of that name in `data_access_layer`, which reads or writes `place`.

    Raises:
        InputError: this package does not have it, or the library that it needs.
    """
    try:
        return importlib.import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{place}: this package reads and writes only Parquet and CSV, on this machine and in "
            f"object stores ({error.name} is not in it). Use the package of all models, such as "
            "./pants run src/models:predict. Or add "
            'dependencies=["src/data_access_layer:every_store"] to the pex_binary in the model\'s '
            "BUILD file."
        ) from error
