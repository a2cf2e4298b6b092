"""Modules that only some packages contain: imported by name, so that Pants infers no dependency.

A package contains such a module and its library if its BUILD file lists the module.
"""

from __future__ import annotations

import importlib
from typing import Any

from cli.errors import InputError

# Relative: Pants would infer full names, with two dots (`string_imports` in pants.toml).
STORES = "stores"
DELTA = "tables.delta"
EXPORTS = "formats.export_writer"


def import_optional(name: str, *, place: str) -> Any:
    """Import the module of that name in `data_access_layer`, to read or write `place`.

    Raises:
        InputError: this package lacks the module or its library.
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
