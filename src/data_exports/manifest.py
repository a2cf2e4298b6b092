"""What a written table is: rows, columns, where they came from, which model made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

SUFFIX = ".manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Facts about one written table; `sha256` is the file's own."""

    rows: int
    columns: Mapping[str, str]
    sha256: str
    source: str
    model: str
    model_version: str
    git_commit: str

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")


def manifest_path(table: Path) -> Path:
    """Where a table's manifest stands: beside it, under the table's name."""
    return table.with_name(table.name + SUFFIX)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
