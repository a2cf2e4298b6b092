from __future__ import annotations

import hashlib
import json
from pathlib import Path

from data_exports.manifest import Manifest, file_sha256, manifest_path


def test_a_manifest_stands_beside_its_table_as_readable_json(tmp_path: Path) -> None:
    table = tmp_path / "species.parquet"
    table.write_bytes(b"whatever")
    path = manifest_path(table)
    assert path == tmp_path / "species.parquet.manifest.json"
    manifest = Manifest(
        rows=3,
        columns={"species": "category", "Größe": "float64"},
        sha256=file_sha256(table),
        source="flowers.csv",
        model="iris",
        model_version="7",
        git_commit="abc",
    )
    manifest.write(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == {
        "rows": 3,
        "columns": {"species": "category", "Größe": "float64"},
        "sha256": hashlib.sha256(b"whatever").hexdigest(),
        "source": "flowers.csv",
        "model": "iris",
        "model_version": "7",
        "git_commit": "abc",
    }
    assert Manifest(**content) == manifest
    # A line each, so that a difference between two can be read.
    assert path.read_text().splitlines()[1:3] == [
        '  "columns": {',
        '    "Gr\\u00f6\\u00dfe": "float64",',
    ]


def test_the_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "large").write_bytes(content)
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "large") == hashlib.sha256(content).hexdigest()
    assert file_sha256(tmp_path / "empty") == hashlib.sha256().hexdigest()
