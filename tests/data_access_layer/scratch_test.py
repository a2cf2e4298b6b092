"""What does not fit into memory goes where nobody else gets to it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from data_access_layer.tables.duckdb import connect

ROWS = 6_000_000
# As DuckDB 2.0 calls them, by the number of the process and of the database in it.
SPILLED = "duckdb_temp_{process}_{database}_storage_{size}-0.tmp"


def test_duckdb_follows_no_link_that_somebody_planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    for database in range(100):
        for size in ("DEFAULT", "S96K", "S128K", "S192K"):
            name = SPILLED.format(process=os.getpid(), database=database, size=size)
            (shared / name).symlink_to(victim)
    with connect() as opened:
        opened.execute("set memory_limit = '60MB'; set threads = 1")
        (chosen,) = opened.execute("select current_setting('temp_directory')").fetchall()[0]
        folder = Path(chosen)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        opened.execute(f"select * from (select hash(i) as h, i from range({ROWS}) t(i)) order by h")
        assert list(folder.glob("duckdb_temp_*")), "nothing was spilled"
    assert victim.read_text() == "mine"
