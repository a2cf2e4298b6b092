from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import InputError
from data_access_layer.folders import open_folder
from data_access_layer.settings import StoreSettings


def test_files_are_written_listed_read_and_removed(tmp_path: Path) -> None:
    folder = open_folder(f"{tmp_path}/place", StoreSettings())
    assert (folder.names("a"), folder.read("a/1.json")) == ([], None)
    folder.write("a/2.json", b"two")
    folder.write("a/1.json", b"one")
    folder.write("a/1.json", b"1")
    folder.write("a/b/3.json", b"three")
    assert folder.names("a") == ["1.json", "2.json"]
    assert folder.read("a/1.json") == b"1"
    folder.remove("a/1.json")
    folder.remove("a/1.json")
    assert folder.names("a") == ["2.json"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = open_folder(str(tmp_path), StoreSettings())
    with pytest.raises(InputError, match="file/a: cannot be written: "):
        folder.write("file/a", b"")
    assert folder.read("file/a") is None


@pytest.mark.parametrize("location", ["sqlite:///all.db#table", ""])
def test_what_is_no_folder_is_refused(location: str) -> None:
    with pytest.raises(InputError, match="expected"):
        open_folder(location, StoreSettings())
