"""Compare a table with its manifest."""

from __future__ import annotations

from cli.errors import InputError, UserError
from cli.task import TaskContext
from cli.terminal import show_table
from data_access_layer.commit.destination import Destination
from data_access_layer.commit.manifest import Manifest
from data_access_layer.open import open_destination
from data_exports.settings import VerifySettings


def verify(destination: Destination) -> Manifest:
    """The manifest of the table, which matches it.

    Raises:
        InputError: there is no table, or it has no manifest.
        UserError: the table does not match its manifest.
    """
    manifest = destination.read_manifest()
    if manifest is None:
        raise InputError(f"{destination.location}: has no manifest. Was it exported?")
    rows, checksum = destination.compute_checksum(manifest)
    if rows is not None and rows != manifest.rows:
        raise UserError(
            f"{destination.location}: has {rows:,} rows, but its manifest states "
            f"{manifest.rows:,}. Export it again."
        )
    if checksum != manifest.sha256:
        raise UserError(
            f"{destination.location}: was changed after it was written: its SHA-256 is {checksum}, "
            f"but its manifest states {manifest.sha256}. Export it again."
        )
    return manifest


def verify_and_show(settings: VerifySettings, context: TaskContext) -> None:
    """Verify one table and print its manifest."""
    if not settings.table:
        raise InputError("--table is missing. Name the table to verify.")
    destination = open_destination(settings.table, context, option="--table")
    show_table(f"{destination.location}: verified", ["", ""], summarize(verify(destination)))


def summarize(manifest: Manifest) -> list[tuple[str, str]]:
    """The facts of a manifest, with labels to print."""
    model = f"{manifest.model} {manifest.model_version}".strip()
    return [
        ("rows", f"{manifest.rows:,}"),
        ("columns", f"{len(manifest.columns):,}"),
        *([("model version", model)] if model else []),
        ("source", manifest.source),
        ("SHA-256" + (" of the rows" if manifest.checksum == "rows" else ""), manifest.sha256),
    ]
