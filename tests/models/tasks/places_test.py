"""The same table in every kind of place: each task reads the same rows from it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
from deltalake import write_deltalake

from data_exports import export, verify
from integration.servers import S3, USER, PostgreSQL
from models.evaluate import main as evaluate
from models.predict import main as predict
from support.iris import IRIS
from support.tasks import CallTask
from validation.drift import main as drift
from validation.gate_model import main as gate_model
from validation.validate_data import main as validate_data

PASSWORD = "planted-Passw0rd"  # pragma: allowlist secret
SECRET = "planted-Secr3t-key"  # pragma: allowlist secret
SPECIES = ["setosa", "versicolor", "virginica"]
FLOWERS = pd.DataFrame(
    {
        "sepal_length_cm": [5.1, 5.9, 6.5],
        "sepal_width_cm": [3.5, 2.8, 3.0],
        "petal_length_cm": [1.4, 4.4, 5.8],
        "petal_width_cm": [0.2, 1.3, 2.2],
        "species": SPECIES,
        "id": [1, 2, 3],
    }
)
PLACES = [
    "csv",
    "parquet",
    "folder",
    "s3",
    "s3 csv",
    "s3 prefix",
    "duckdb",
    "postgresql",
    "delta",
    "name",
]

type Put = Callable[[str], str]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3("flowers") as server:
        yield server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL(PASSWORD) as server:
        yield server


@pytest.fixture
def put(champion: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put the flowers into a place of that kind, and give the place's name."""

    def put(kind: str) -> str:
        if kind.startswith("s3"):
            use_s3(request.getfixturevalue("s3"), monkeypatch)
        match kind:
            case "csv" | "parquet":
                return write(f"f.{kind}")
            case "folder":
                Path("in").mkdir()
                FLOWERS[:2].to_csv("in/a.csv", index=False)
                FLOWERS[2:].to_parquet("in/b.parquet")
                return "in"
            case "s3":
                return s3_object("f.parquet")
            case "s3 csv":
                return s3_object("f.csv.gz")
            case "s3 prefix":
                s3_object("parts/a.parquet", FLOWERS[:2])
                s3_object("parts/b.csv", FLOWERS[2:])
                s3_object("parts/_SUCCESS.csv", FLOWERS)
                return "s3://flowers/parts"
            case "duckdb":
                with duckdb.connect("all.duckdb") as opened:
                    opened.execute("create schema garden")
                    opened.execute("create table garden.flowers as select * from FLOWERS")
                return "duckdb:///all.duckdb#garden.flowers"
            case "delta":
                write_deltalake("f.delta", pa.Table.from_pandas(FLOWERS))
                return "f.delta"
            case "postgresql":
                server = request.getfixturevalue("postgresql")
                monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_USER", USER)
                monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_PASSWORD", PASSWORD)
                place = f"{server.url}#garden.flowers"
                pq.write_table(pa.Table.from_pandas(FLOWERS), "for-database.parquet")
                request.getfixturevalue("call")(
                    export.main, "--src", "for-database.parquet", "--dst", place
                )
                return place
            case "name":
                write("f.parquet")
                monkeypatch.setenv("DATASCIENCE_STORES_TABLES", json.dumps({"garden": "f.parquet"}))
                return "garden"
        raise AssertionError(kind)

    return put


def use_s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASCIENCE_STORES_S3_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("DATASCIENCE_STORES_S3_KEY", "key")
    monkeypatch.setenv("DATASCIENCE_STORES_S3_SECRET", SECRET)


def write(name: str, frame: pd.DataFrame = FLOWERS) -> str:
    if ".csv" in name:
        frame.to_csv(name, index=False)
    else:
        frame.to_parquet(name)
    return name


def s3_object(key: str, frame: pd.DataFrame = FLOWERS) -> str:
    """Put by a client of its own: what Arrow reads, Arrow has not written."""
    local = write(Path(key).name, frame)
    store().put_file(local, f"flowers/{key}")
    Path(local).unlink()
    return f"s3://flowers/{key}"


@pytest.mark.parametrize("kind", PLACES)
def test_each_task_reads_the_same_rows_from_every_place(
    kind: str, put: Put, call: CallTask
) -> None:
    place = put(kind)
    result = call(predict, "--input", place, "--output", "-", definition=IRIS)
    assert result.code == 0, result.err
    found = pd.read_csv(io.StringIO(result.out)).sort_values("id", ignore_index=True)
    assert list(found["species"]) == SPECIES
    assert list(found["species_input"]) == SPECIES
    result = call(evaluate, "--input", place, "--no-enforce", definition=IRIS)
    assert "on 3 rows" in result.out, result.err
    assert call(validate_data, "--contract", "labelled_flowers", "--input", place).code in (0, 1)
    assert json.loads(Path("validated/labelled_flowers/report.json").read_text())["rows"] == 3
    Path("truth.csv").write_text(FLOWERS.to_csv(index=False))
    result = call(
        gate_model, "--challenger", place, "--truth", "truth.csv", "--target", "species",
        "--key", "id", "--metric", "accuracy", "--at-least", "1",
    )  # fmt: skip
    assert result.code == 0, result.err
    result = call(drift, "--reference", place, "--current", "truth.csv", "--fail-on-drift")
    assert result.code == 0, result.err
    assert call(export.main, "--src", place, "--dst", "out.parquet").code == 0
    exported = pq.read_table("out.parquet").sort_by("id")
    assert exported["petal_width_cm"].to_pylist() == list(FLOWERS["petal_width_cm"])


def test_what_is_not_in_s3_is_one_message(
    s3: S3, call: CallTask, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(s3, monkeypatch)
    monkeypatch.setenv("DATASCIENCE_STORES_RETRIES", "0")
    for place, said in {
        "s3://flowers/no.parquet": "s3://flowers/no.parquet",
        "s3://nowhere/no.parquet": "s3://nowhere/no.parquet",
        "s3://flowers/prefix": "flowers/prefix: the folder holds no file that ends in",
    }.items():
        result = call(predict, "--input", place, "--output", "o.csv", definition=IRIS)
        assert (result.code, result.err.count("\n")) == (2, 1), result.err
        assert said in result.err
        assert SECRET not in result.err
    s3_object("cut.parquet")
    monkeypatch.setenv("DATASCIENCE_STORES_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    result = call(
        predict, "--input", "s3://flowers/f.parquet", "--output", "o.csv", definition=IRIS
    )
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "Is the store up" in result.err
    assert not Path("o.csv").exists()


@pytest.mark.usefixtures("champion")
def test_a_word_that_is_no_file_and_no_table_says_both(call: CallTask) -> None:
    result = call(predict, "--input", "flowres", "--output", "o.csv", definition=IRIS)
    assert result.code == 2
    assert result.err.startswith(
        "flowres: there is no such file or folder, and no table data/flowres.parquet."
    )


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_predictions_go_to_s3_with_their_manifest(
    s3: S3, put: Put, call: CallTask, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    place = put("s3")
    call(predict, "--input", place, "--output", f"here.{ending}", definition=IRIS)
    there = f"s3://flowers/predicted/{ending}/o.{ending}"
    for _ in range(2):
        result = call(predict, "--input", place, "--output", there, definition=IRIS)
        assert result.code == 0, result.err
    assert s3_bytes(there) == Path(f"here.{ending}").read_bytes()
    manifest = json.loads(s3_bytes(f"{there}.manifest.json"))
    assert (manifest["rows"], manifest["source"], manifest["model"]) == (3, place, "iris")
    assert "replaces" not in manifest
    assert call(verify.main, "--table", there).code == 0
    assert s3_names(f"flowers/predicted/{ending}") == [f"o.{ending}", f"o.{ending}.manifest.json"]
    again = call(predict, "--input", there, "--output", there, definition=IRIS)
    assert (again.code, "would replace the input" in again.err) == (2, True)


def test_what_s3_holds_is_verified(s3: S3, put: Put, call: CallTask) -> None:
    place = put("s3")
    assert call(export.main, "--src", place, "--dst", "s3://flowers/v/o.csv").code == 0
    s3_object("v/o.csv")
    result = call(verify.main, "--table", "s3://flowers/v/o.csv")
    assert result.code == 1
    assert "was changed after it was written" in result.err


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "xlsx"])
def test_an_export_to_s3_is_the_file_that_is_written_here(
    s3: S3, put: Put, call: CallTask, ending: str
) -> None:
    place = put("s3 csv")
    for there in (f"o.{ending}", f"s3://flowers/exported/o.{ending}"):
        result = call(export.main, "--src", place, "--dst", there)
        assert result.code == 0, result.err
    assert s3_bytes(f"s3://flowers/exported/o.{ending}") == Path(f"o.{ending}").read_bytes()


def test_a_failure_while_rows_are_written_leaves_what_s3_holds(
    s3: S3, put: Put, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put("s3")
    there = "s3://flowers/kept/o.csv"
    assert call(predict, "--input", place, "--output", there, definition=IRIS).code == 0
    before = s3_bytes(there), s3_bytes(f"{there}.manifest.json")
    bad = FLOWERS.assign(petal_width_cm=[1.0, -1.0, float("nan")])
    result = call(predict, "--input", s3_object("bad.csv", bad), "--output", there, definition=IRIS)
    assert result.code == 2
    assert "petal_width_cm" in result.err
    assert (s3_bytes(there), s3_bytes(f"{there}.manifest.json")) == before
    assert s3_names("flowers/kept") == ["o.csv", "o.csv.manifest.json"]
    result = call(predict, "--input", place, "--output", "s3://nowhere/o.csv", definition=IRIS)
    assert (result.code in (1, 2), "nowhere" in result.err) == (True, True)


def test_an_export_to_duckdb_has_its_manifest_in_the_file(put: Put, call: CallTask) -> None:
    place = put("parquet")
    there = "duckdb:///out.duckdb#garden.flowers"
    for _ in range(2):
        assert call(export.main, "--src", place, "--dst", there).code == 0
    with duckdb.connect("out.duckdb") as opened:
        assert opened.sql("select count(*) from garden.flowers").fetchall() == [(3,)]
    assert call(verify.main, "--table", there).code == 0
    with duckdb.connect("out.duckdb") as opened:
        opened.execute("update garden.flowers set species = 'rose' where id = 1")
    result = call(verify.main, "--table", there)
    assert (result.code, "was changed after it was written" in result.err) == (1, True)
    back = call(export.main, "--src", there, "--dst", "back.parquet")
    assert back.code == 0
    assert set(pq.read_table("back.parquet")["species"].to_pylist()) == {"rose", *SPECIES[1:]}


def store() -> s3fs.S3FileSystem:
    endpoint = os.environ["DATASCIENCE_STORES_S3_ENDPOINT_URL"]
    return s3fs.S3FileSystem(
        key="key", secret=SECRET, endpoint_url=endpoint, use_listings_cache=False
    )


def s3_bytes(place: str) -> bytes:
    return bytes(store().cat_file(place.removeprefix("s3://")))


def s3_names(folder: str) -> list[str]:
    return sorted(Path(name).name for name in store().ls(folder, detail=False))
