"""Where a table is written: whole or not at all, with its manifest, in any kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from data_access_layer.commit.manifest import Manifest
from data_access_layer.reader import RecordBatch


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a manifest says about where its rows come from."""

    source: str = ""
    model: str = ""
    model_version: str = ""
    git_commit: str = ""
    created_by: str = ""
    filter: str = ""
    as_of: str = ""

    def make_manifest(self, **facts: Any) -> Manifest:
        """The manifest of rows from here; `facts` are what it says of the rows themselves."""
        return Manifest(**vars(self), **facts)


@runtime_checkable
class Destination(Protocol):
    """One table, and its manifest, that rows can replace."""

    @property
    def location(self) -> str:
        """Where it is, without credentials."""

    @property
    def format(self) -> str:
        """What the manifest calls its format."""

    def check(self, rows: int | None) -> None:
        """Refuse early what could only fail after all the work; `rows` where they are known.

        Raises:
            InputError: the destination cannot hold the table.
            UserError: its store cannot be reached.
        """

    def replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the table by these rows, and its manifest with it, or leave both as they were.

        Raises:
            InputError: the rows do not have the same columns, or a value does not fit.
            UserError: the store failed, or the disk is full.
        """

    def read_manifest(self) -> Manifest | None:
        """The manifest of the table that is there now.

        Raises:
            InputError: there is no table.
        """

    def compute_checksum(self, manifest: Manifest) -> tuple[int | None, str]:
        """The rows, if counted, and the checksum of the table that is there now."""
