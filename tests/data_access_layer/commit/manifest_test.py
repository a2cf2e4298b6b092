from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest

from cli.errors import InputError
from data_access_layer.commit.manifest import Manifest, read_manifest
from data_access_layer.files import file_sha256, manifest_path


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
    # A line each, so that a difference between two can be read; columns in the table's order.
    assert path.read_text().splitlines()[1:3] == [
        '  "columns": {',
        '    "species": "category",',
    ]


def test_the_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "large").write_bytes(content)
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "large") == hashlib.sha256(content).hexdigest()
    assert file_sha256(tmp_path / "empty") == hashlib.sha256().hexdigest()


def manifest_for(content: bytes) -> Manifest:
    return Manifest(
        rows=1,
        columns={"a": "int64"},
        sha256=hashlib.sha256(content).hexdigest(),
        source="rows.csv",
        model="",
        model_version="",
        git_commit="",
        format="csv",
        created_by="test",
    )


def test_while_a_table_is_replaced_both_have_their_manifest(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    earlier, new = manifest_for(b"earlier"), manifest_for(b"new")
    new.announce(manifest_path(table), earlier)
    # The rename is still to come ...
    table.write_bytes(b"earlier")
    assert read_manifest(table) == earlier
    # ... and has been.
    table.write_bytes(b"new")
    assert read_manifest(table) == new
    new.write(manifest_path(table))
    assert read_manifest(table) == new
    assert "replaces" not in manifest_path(table).read_text()


def test_where_the_earlier_table_had_no_manifest_there_is_none_until_the_rename(
    tmp_path: Path,
) -> None:
    table = tmp_path / "t.csv"
    assert read_manifest(table) is None
    table.write_bytes(b"earlier")
    manifest_for(b"new").announce(manifest_path(table), None)
    assert read_manifest(table) is None


def test_keys_of_later_versions_are_passed_over_and_what_is_none_is_reported() -> None:
    manifest = dataclasses.replace(manifest_for(b"x"), checksum="rows")
    content = {**json.loads(manifest.to_json()), "later": 1}
    assert Manifest.parse(json.dumps(content), "m") == manifest
    for text in ("", "[]", "{}", '{"rows": 1}'):
        with pytest.raises(InputError, match=re.escape("m: not a manifest (")):
            Manifest.parse(text, "m")
