"""Exports are killed everywhere, by the hundred; each leaves one whole table with its manifest."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from cli.errors import InputError
from cli.task import TaskContext
from data_access_layer.commit.manifest import Manifest
from data_access_layer.open import open_destination
from data_exports.verify_task import verify
from integration.servers import S3, USER, PostgreSQL
from support.killing import Exports, exports

PASSWORD = "correct horse"
CREDENTIALS = {
    "DATASCIENCE_STORES_DATABASE_USER": USER,
    "DATASCIENCE_STORES_DATABASE_PASSWORD": PASSWORD,
    "DATASCIENCE_STORES_S3_KEY": "key",
    "DATASCIENCE_STORES_S3_SECRET": PASSWORD,
}
SEED = 20_260_101
# Three times for each kind of destination: 324 in all, besides one at each step.
RANDOM_KILLS = 12
ENDINGS = ["parquet", "csv", "jsonl", "xlsx", "delta", "sqlite", "duckdb"]
SERVERS = ["postgresql", "s3"]
# All other kinds write a file, batch by batch; a step for each.
FEWEST_STEPS = {"duckdb": 5}


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
def s3() -> Iterator[S3]:
    with S3("exports") as server:
        yield server


@pytest.fixture(scope="module")
def environment(s3: S3) -> dict[str, str]:
    return {**CREDENTIALS, "DATASCIENCE_STORES_S3_ENDPOINT_URL": s3.endpoint}


@pytest.fixture(scope="module")
def runs(environment: dict[str, str]) -> Iterator[Exports]:
    with exports(environment) as runs:
        yield runs


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


class Place:
    """Where one format is exported to, again and again: `earlier` and `new` tables are known."""

    def __init__(self, folder: Path, ending: str, runs: Exports) -> None:
        self.folder, self.runs = folder, runs
        self.path = folder / "out" / f"table.{ending}"
        database = ending in ("sqlite", "duckdb")
        self.place = f"{ending}:///{self.path}#table" if database else str(self.path)
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
        """Check that the table is complete and matches its manifest, with a new checksum."""
        return verify(open_destination(self.place, TaskContext(), option="--table"))

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
        commits = [
            f"table.delta/_delta_log/{number:020}.json" for number in range(table.version() + 1)
        ]
        assert self.names() == ["table.delta", "table.delta/_delta_log", *commits]
        assert len(list(self.path.glob("*.parquet"))) == table.version() + 1


class PostgresPlace(Place):
    """The same for a table of a server."""

    def __init__(self, folder: Path, url: str, runs: Exports) -> None:
        self.url = url
        url_with_login = sa.make_url(url).set(username=USER, password=PASSWORD)
        self.engine = sa.create_engine(url_with_login)
        self.remove()
        super().__init__(folder, "postgresql", runs)
        # As `saved` is for files: a copy takes a tenth of an export's time.
        self.execute("DROP SCHEMA IF EXISTS saved CASCADE", "CREATE SCHEMA saved")
        self.execute(*self.copies("exports", to="saved"))

    @property
    def place(self) -> str:
        return f"{self.url}#exports.table"

    @place.setter
    def place(self, place: str) -> None:
        """What the folder's table would be called."""

    def execute(self, *statements: str) -> list[Any]:
        with self.engine.begin() as connection:
            results = [connection.execute(sa.text(statement)) for statement in statements]
            return list(results[-1]) if results[-1].returns_rows else []

    def remove(self) -> None:
        self.execute("DROP SCHEMA IF EXISTS exports CASCADE", "CREATE SCHEMA exports")

    def reset(self, *, to_earlier: bool) -> None:
        self.remove()
        if to_earlier:
            self.execute(*self.copies("saved", to="exports"))

    def copies(self, schema: str, *, to: str) -> list[str]:
        """Statements that copy all tables of a schema, with keys and comments."""
        found = self.execute(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'")
        return [
            statement
            for (name,) in found
            for statement in (
                f'CREATE TABLE {to}."{name}" (LIKE {schema}."{name}" INCLUDING ALL)',
                f'INSERT INTO {to}."{name}" SELECT * FROM {schema}."{name}"',
            )
        ]

    def names(self) -> list[str]:
        return sorted(
            name
            for (name,) in self.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'exports'"
            )
        )

    def no_debris(self, *, to_earlier: bool) -> None:
        assert self.names() == ["data_exports_manifests", "table"]


class S3Place(Place):
    """The same for an object of a server."""

    def __init__(self, folder: Path, server: S3, runs: Exports) -> None:
        self.server = server
        self.remove()
        super().__init__(folder, "s3", runs)
        self.objects = {name: server.get(f"s3://exports/{name}") for name in self.names()}

    @property
    def place(self) -> str:
        return "s3://exports/table.parquet"

    @place.setter
    def place(self, place: str) -> None:
        """What the folder's table would be called."""

    def remove(self) -> None:
        for name in self.names():
            self.server.delete(name)

    def reset(self, *, to_earlier: bool) -> None:
        self.remove()
        for name, content in self.objects.items() if to_earlier else ():
            self.server.put(name, content)

    def names(self) -> list[str]:
        return self.server.names()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of Debian's package; its URL."""
    with PostgreSQL(PASSWORD) as server:
        yield server.url


@pytest.fixture(params=[*ENDINGS, *SERVERS])
def place(request: pytest.FixtureRequest, tmp_path: Path, runs: Exports, s3: S3) -> Iterator[Place]:
    if request.param == "s3":
        yield S3Place(tmp_path, s3, runs)
        return
    if request.param != "postgresql":
        yield Place(tmp_path, request.param, runs)
        return
    place = PostgresPlace(tmp_path, request.getfixturevalue("postgres"), runs)
    yield place
    place.engine.dispose()


@pytest.mark.parametrize("to_earlier", [True, False], ids=["over-earlier", "where-nothing-was"])
def test_killed_at_every_step(place: Place, to_earlier: bool) -> None:
    place.reset(to_earlier=to_earlier)
    assert place.export(place.new_source, steps=str(place.folder / "steps"))[0] == 0
    steps = json.loads((place.folder / "steps").read_text())
    assert len(steps) > FEWEST_STEPS.get(place.path.suffix.removeprefix("."), 15)
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
