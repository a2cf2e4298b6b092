"""The destination of a table in any kind of store: written atomically, with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from data_access_layer.commit.manifest import Manifest
from data_access_layer.reader import RecordBatch


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where rows come from, for their manifest."""

    source: str = ""
    model: str = ""
    model_version: str = ""
    git_commit: str = ""
    created_by: str = ""
    filter: str = ""
    as_of: str = ""

    def make_manifest(self, **facts: Any) -> Manifest:
        """Make the manifest of rows of this origin; `facts` are its facts about the rows."""
        return Manifest(**vars(self), **facts)


@runtime_checkable
class Destination(Protocol):
    """A table with its manifest, which can be replaced."""

    @property
    def location(self) -> str:
        """Where it is, without credentials."""

    @property
    def format(self) -> str:
        """The name of its format in the manifest."""

    def check(self, rows: int | None) -> None:
        """Find problems before the work starts; `rows` is the number of rows, if known.

        Raises:
            InputError: the destination cannot hold the table.
            UserError: its store cannot be reached.
        """

    def replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the table and its manifest, or leave both unchanged.

        Raises:
            InputError: the rows do not have the same columns, or a value does not fit.
            UserError: the store failed, or the disk is full.
        """

    def read_manifest(self) -> Manifest | None:
        """Read the manifest of the current table.

        Raises:
            InputError: the table does not exist.
        """

    def compute_checksum(self, manifest: Manifest) -> tuple[int | None, str]:
        """The number of rows, if counted, and the checksum of the current table."""
