"""Exports are killed everywhere, by the hundred; each leaves one whole table with its manifest."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from data_exports.manifest import Manifest
from data_exports.places import destination_of
from data_exports.verifying import verify
from config.errors import InputError
from config.settings import Settings
from support.killing import Exports, exports

SEED = 20_260_101
RANDOM_KILLS = 25
ENDINGS = ["parquet", "csv", "jsonl", "xlsx", "delta", "sqlite"]


def load[S: Settings](section: type[S], /) -> S:
    return section.load()


def rows(path: Path, *, seed: int, count: int) -> Path:
    random_numbers = np.random.default_rng(seed)
    pq.write_table(
        pa.table(
            {
                "id": np.arange(count),
                "value": random_numbers.normal(size=count),
                "text": [f"text {number}" for number in random_numbers.integers(0, 10**9, count)],
            }
        ),
        path,
    )
    return path


@pytest.fixture(scope="module")
def runs() -> Iterator[Exports]:
    with exports({"DATASCIENCE_STORES_DATABASE_USER": "test"}) as runs:
        yield runs


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_USER", "test")


class Place:
    """Where one format is exported to, again and again: `earlier` and `new` tables are known."""

    def __init__(self, folder: Path, ending: str, runs: Exports) -> None:
        self.folder, self.runs = folder, runs
        self.path = folder / "out" / f"table.{ending}"
        self.place = f"sqlite:///{self.path}#table" if ending == "sqlite" else str(self.path)
        self.path.parent.mkdir(exist_ok=True)
        self.earlier_source = rows(folder / "earlier.parquet", seed=1, count=1_500)
        self.new_source = rows(folder / "new.parquet", seed=2, count=2_000)
        assert self.export(self.new_source)[0] == 0
        self.new, self.new_names = self.manifest(), self.names()
        self.reset(to_earlier=False)
        assert self.export(self.earlier_source)[0] == 0
        self.earlier = self.manifest()
        self.saved = folder / "saved"
        shutil.copytree(self.path.parent, self.saved)

    def export(self, source: Path, **options: object) -> tuple[int, float]:
        argv = ["--src", str(source), "--dst", self.place, "--batch-rows", "500"]
        return self.runs.run(*argv, **options)  # type: ignore[arg-type]

    def remove(self) -> None:
        shutil.rmtree(self.path.parent)

    def reset(self, *, to_earlier: bool) -> None:
        self.remove()
        if to_earlier:
            shutil.copytree(self.saved, self.path.parent)
        else:
            self.path.parent.mkdir()

    def manifest(self) -> Manifest:
        """The table is whole and what its manifest says: its checksum is computed again."""
        return verify(destination_of(self.place, None, load))

    def names(self) -> list[str]:
        """Of all files, hidden ones too; the data files of Delta have new names each time."""
        if (self.path / "_delta_log").exists():
            named = {Path(uri).name for uri in DeltaTable(str(self.path)).file_uris()}
            found = {file.name for file in self.path.glob("*.parquet")}
            assert named <= found
        return sorted(
            str(file.relative_to(self.path.parent))
            for file in self.path.parent.rglob("*")
            if not file.name.startswith("part-")
        )

    def check(self, *, to_earlier: bool) -> str:
        """One of the two tables is there whole, or none where there was none; then finish."""
        try:
            found = self.manifest()
        except InputError:
            assert not to_earlier
            found = None
        assert found in ((self.earlier if to_earlier else None), self.new)
        assert self.export(self.new_source)[0] == 0
        assert self.manifest() == self.new
        self.no_debris(to_earlier=to_earlier)
        return "new" if found == self.new else "earlier"

    def no_debris(self, *, to_earlier: bool) -> None:
        if self.path.suffix != ".delta":
            assert self.names() == self.new_names
            return
        table = DeltaTable(str(self.path))
        # Neither is a version lost, nor is one there twice.
        assert table.version() == (1 if to_earlier else 0)
        commits = [f"table.delta/_delta_log/{number:020}.json" for number in range(table.version() + 1)]
        assert self.names() == ["table.delta", "table.delta/_delta_log", *commits]
        assert len(list(self.path.glob("*.parquet"))) == table.version() + 1


class PostgresPlace(Place):
    """The same for a table of a server."""

    def __init__(self, folder: Path, url: str, runs: Exports) -> None:
        self.url = url
        self.remove()
        super().__init__(folder, "postgresql", runs)

    @property
    def place(self) -> str:
        return f"{self.url}#exports.table"

    @place.setter
    def place(self, place: str) -> None:
        """What the folder's table would be called."""

    def execute(self, *statements: str) -> list[Any]:
        url = sa.make_url(self.url).set(username="test")
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            results = [connection.execute(sa.text(statement)) for statement in statements]
            return list(results[-1]) if results[-1].returns_rows else []

    def remove(self) -> None:
        self.execute("DROP SCHEMA IF EXISTS exports CASCADE", "CREATE SCHEMA exports")

    def reset(self, *, to_earlier: bool) -> None:
        self.remove()
        if to_earlier:
            assert self.export(self.earlier_source)[0] == 0

    def names(self) -> list[str]:
        return sorted(
            name
            for (name,) in self.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'exports'"
            )
        )

    def no_debris(self, *, to_earlier: bool) -> None:
        assert self.names() == ["data_exports_manifests", "table"]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of Debian's package; its URL."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not folders:
        pytest.skip("there is no PostgreSQL server: apt-get install postgresql")
    binaries = folders[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    # It refuses to run as root, as which CI's containers run.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")

    def run(*command: object) -> None:
        subprocess.run(
            [*user, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd=folder
        )

    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "test", "--no-sync", "-E", "UTF8")
        run(binaries / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql+psycopg://127.0.0.1:{port}/postgres"
        finally:
            run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=[*ENDINGS, "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, runs: Exports) -> Place:
    if request.param == "postgresql":
        return PostgresPlace(tmp_path, request.getfixturevalue("postgres"), runs)
    return Place(tmp_path, request.param, runs)


@pytest.mark.parametrize("to_earlier", [True, False], ids=["over-earlier", "where-nothing-was"])
def test_killed_at_every_step(place: Place, to_earlier: bool) -> None:
    place.reset(to_earlier=to_earlier)
    assert place.export(place.new_source, steps=str(place.folder / "steps"))[0] == 0
    steps = json.loads((place.folder / "steps").read_text())
    assert len(steps) > 15
    found = []
    for number in range(1, len(steps) + 1):
        place.reset(to_earlier=to_earlier)
        code, _ = place.export(place.new_source, kill_at=number)
        assert code == -signal.SIGKILL, (number, steps[number - 1])
        found.append(place.check(to_earlier=to_earlier))
    # Both were met, and there is one step before which it is the one and after which the other.
    assert found == sorted(found)
    assert set(found) == {"earlier", "new"}


@pytest.mark.parametrize("to_earlier", [True, False], ids=["over-earlier", "where-nothing-was"])
def test_killed_at_random_moments(place: Place, to_earlier: bool) -> None:
    place.reset(to_earlier=to_earlier)
    _, seconds = place.export(place.new_source)
    moments = random.Random(SEED)
    for _ in range(RANDOM_KILLS):
        place.reset(to_earlier=to_earlier)
        code, _ = place.export(place.new_source, after=moments.uniform(0, seconds * 1.1))
        assert code in (0, -signal.SIGKILL)
        place.check(to_earlier=to_earlier)


def test_killed_again_and_again_until_it_is_done(place: Place) -> None:
    """What one killed run leaves must not confuse the next, which is killed too."""
    place.reset(to_earlier=True)
    _, seconds = place.export(place.new_source)
    moments = random.Random(SEED)
    place.reset(to_earlier=True)
    for _ in range(RANDOM_KILLS):
        place.export(place.new_source, after=moments.uniform(0, seconds))
        assert place.manifest() in (place.earlier, place.new)
    place.check(to_earlier=True)
