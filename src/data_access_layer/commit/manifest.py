"""Manifests of written tables: rows, columns, source, and the model that made them.

A table and its manifest are two files, which are replaced one after the other. If a writer is
killed in between, the manifest that matches the table must still be found:

- On this machine, the manifest is replaced first. It contains the earlier table's manifest, as the
  one that it `replaces`. A lock makes writers wait for each other.
- An object store has no lock. So each writer first announces its manifest: it writes the manifest
  next to the table, under the table's checksum. Announcements are removed when they are obsolete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from cli.errors import InputError
from data_access_layer.files import (
    MANIFEST_SUFFIX,
    FilePath,
    RemoteFile,
    file_sha256,
    manifest_path,
)

REPLACES = "replaces"
# The longest time that a write takes. Older announcements are from killed writers.
LONGEST_WRITE = timedelta(days=1)
# The table with the manifests of the other tables in its database schema.
MANIFESTS = "data_exports_manifests"
_DEFAULTS = {
    **dict.fromkeys(
        ("model", "model_version", "git_commit", "format", "created_by", "filter", "as_of"), ""
    ),
    "checksum": "file",
}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Facts about one written table.

    `sha256` is the checksum of the file. If `checksum` is `rows`, because the table is not a single
    file, it is the checksum of the rows (see `data_access_layer.commit.digest`). A manifest has no
    timestamp, so that exports are reproducible.
    """

    rows: int
    columns: Mapping[str, str]
    sha256: str
    source: str
    model: str = ""
    model_version: str = ""
    git_commit: str = ""
    format: str = ""
    checksum: Literal["file", "rows"] = "file"
    created_by: str = ""
    filter: str = ""
    as_of: str = ""

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """Parse a manifest; unknown keys are ignored.

        Raises:
            InputError: the text is not a manifest.
        """
        return cls._from_content(_parse_json(text, name), name)

    @classmethod
    def _from_content(cls, content: dict[str, Any], name: str) -> Self:
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{key: value for key, value in content.items() if key in known})
        except TypeError as error:
            raise InputError(f"{name}: not a manifest ({error}).") from error

    def to_json(self) -> str:
        """The manifest as JSON, one key per line, without unknown facts."""
        return _to_json(self._as_dict())

    def write(self, path: Path) -> None:
        """Write the manifest as JSON."""
        path.write_text(self.to_json())

    def announce(self, path: Path, earlier: Manifest | None) -> None:
        """Write the manifest as JSON before the table replaces the one that `earlier` describes."""
        path.write_text(_to_json({**self._as_dict(), REPLACES: earlier and earlier._as_dict()}))

    def _as_dict(self) -> dict[str, Any]:
        content = asdict(self)
        return {key: value for key, value in content.items() if value != _DEFAULTS.get(key)}


def read_manifest(table: FilePath) -> Manifest | None:
    """Read the manifest of the current file at `table`; None if it has none.

    Raises:
        InputError: the manifest's file is not a manifest.
    """
    if not isinstance(table, Path) and (manifest := _read_announced(table)):
        return manifest
    path = manifest_path(table)
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    content = _parse_json(text, str(path))
    # If not, an export was killed between the two renames, or is about to do the second.
    if REPLACES in content and not _has_checksum(table, content.get("sha256")):
        earlier = content[REPLACES]
        return None if earlier is None else Manifest._from_content(earlier, str(path))
    return Manifest._from_content(content, str(path))


@contextmanager
def announce_manifest(manifest: Manifest, table: RemoteFile, text: Path) -> Iterator[None]:
    """Announce the manifest of an object while the body replaces it; `text` is a scratch file."""
    own = _announcement_name(table, manifest.sha256)
    manifest.write(text)
    table.with_name(own).replace_with(text)
    yield
    manifest_path(table).replace_with(text)
    written = _list_announcements(table)
    others = written.keys() - {own}
    for name in others:
        if written[name] < written[own] - LONGEST_WRITE:
            table.with_name(name).delete()
    # If there is another writer, the checksum of the table decides which manifest is valid.
    if not others:
        table.with_name(own).delete()


def _announcement_name(table: RemoteFile, sha256: str) -> str:
    return f".{table.name}.{sha256}{MANIFEST_SUFFIX}"


def _list_announcements(table: RemoteFile) -> dict[str, datetime]:
    start = f".{table.name}."
    return {
        name: written
        for name, written in table.list_siblings().items()
        if name.startswith(start) and name.endswith(MANIFEST_SUFFIX)
    }


def _read_announced(table: RemoteFile) -> Manifest | None:
    names = _list_announcements(table)
    if not names or not table.is_file():
        return None
    name = _announcement_name(table, file_sha256(table))
    if name not in names:
        return None
    return Manifest.parse(table.with_name(name).read_text(), str(table.with_name(name)))


def _has_checksum(table: FilePath, sha256: object) -> bool:
    return table.is_file() and file_sha256(table) == sha256


def _to_json(content: Mapping[str, Any]) -> str:
    # The columns keep the order of the table.
    return json.dumps(dict(sorted(content.items())), indent=2) + "\n"


def _parse_json(text: str, name: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{name}: not a manifest ({error}).") from error
    if not isinstance(content, dict):
        raise InputError(f"{name}: not a manifest (expected a JSON object).")
    return content
