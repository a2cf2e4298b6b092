"""All contracts, by name."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pandera.pandas as pa

import datasets


def contracts() -> dict[str, type[pa.DataFrameModel]]:
    """All contracts of this package by name, in alphabetical order.

    Raises:
        ValueError: two contracts have the same name.
    """
    found: dict[str, type[pa.DataFrameModel]] = {}
    for contract in _models():
        name = str(contract.to_schema().name)
        if name in found:
            both = " and ".join(
                sorted(f"{one.__module__}.{one.__name__}" for one in (found[name], contract))
            )
            raise ValueError(f"Two contracts are named {name!r}: {both}. Rename one of them.")
        found[name] = contract
    return dict(sorted(found.items()))


def _models() -> Iterator[type[pa.DataFrameModel]]:
    for module in sorted(module.name for module in pkgutil.iter_modules(datasets.__path__)):
        for name, value in vars(import_module(f"datasets.{module}")).items():
            if (
                inspect.isclass(value)
                and issubclass(value, pa.DataFrameModel)
                and value.__module__ == f"datasets.{module}"
                and not name.startswith("_")
            ):
                yield value
