"""The same table in every kind of place: each task reads the same rows from it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from data_access_layer.commit.destination import Origin
from data_access_layer.formats.writer import as_batches
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.objects import ObjectFile
from data_access_layer.tables.written_file import FileDestination
from data_exports import export, verify
from integration.servers import S3, USER, PostgreSQL
from models.evaluate import main as evaluate
from models.features import main as features
from models.predict import main as predict
from models.preprocess import main as preprocess
from models.train import main as train
from models.tune import main as tune
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
    "s3 delta",
    "name",
]

WRITTEN = [
    "csv",
    "parquet",
    "jsonl",
    "delta",
    "s3",
    "s3 delta",
    "duckdb",
    "sqlite",
    "postgresql",
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
            s3 = request.getfixturevalue("s3")
            use_s3(s3, monkeypatch)
        match kind:
            case "csv" | "parquet":
                return write(f"f.{kind}")
            case "folder":
                Path("in").mkdir()
                FLOWERS[:2].to_csv("in/a.csv", index=False)
                FLOWERS[2:].to_parquet("in/b.parquet")
                return "in"
            case "s3":
                return s3_object(s3, "f.parquet")
            case "s3 csv":
                return s3_object(s3, "f.csv.gz")
            case "s3 prefix":
                s3_object(s3, "parts/a.parquet", FLOWERS[:2])
                s3_object(s3, "parts/b.csv", FLOWERS[2:])
                s3_object(s3, "parts/_SUCCESS.csv", FLOWERS)
                return "s3://flowers/parts"
            case "duckdb":
                with duckdb.connect("all.duckdb") as opened:
                    opened.execute("create schema garden")
                    opened.execute("create table garden.flowers as select * from FLOWERS")
                return "duckdb:///all.duckdb#garden.flowers"
            case "delta":
                write_deltalake("f.delta", pa.Table.from_pandas(FLOWERS))
                return "f.delta"
            case "s3 delta":
                written = request.getfixturevalue("call")(
                    export.main, "--src", write("f.parquet"), "--dst", "s3://flowers/read.delta"
                )
                assert written.code == 0, written.err
                return "s3://flowers/read.delta"
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


def s3_object(s3: S3, key: str, frame: pd.DataFrame = FLOWERS) -> str:
    """Put by a client of its own: what Arrow reads, Arrow has not written."""
    local = Path(write(Path(key).name, frame))
    place = s3.put(key, local.read_bytes())
    local.unlink()
    return place


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
    s3_object(s3, "cut.parquet")
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
    assert s3.get(there) == Path(f"here.{ending}").read_bytes()
    manifest = json.loads(s3.get(f"{there}.manifest.json"))
    assert (manifest["rows"], manifest["source"], manifest["model"]) == (3, place, "iris")
    assert "replaces" not in manifest
    assert call(verify.main, "--table", there).code == 0
    assert s3.names(f"predicted/{ending}/") == [f"o.{ending}", f"o.{ending}.manifest.json"]
    again = call(predict, "--input", there, "--output", there, definition=IRIS)
    assert (again.code, "would replace the input" in again.err) == (2, True)


def test_what_s3_holds_is_verified(s3: S3, put: Put, call: CallTask) -> None:
    place = put("s3")
    assert call(export.main, "--src", place, "--dst", "s3://flowers/v/o.csv").code == 0
    s3_object(s3, "v/o.csv")
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
    assert s3.get(f"s3://flowers/exported/o.{ending}") == Path(f"o.{ending}").read_bytes()


def test_a_failure_while_rows_are_written_leaves_what_s3_holds(
    s3: S3, put: Put, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put("s3")
    there = "s3://flowers/kept/o.csv"
    assert call(predict, "--input", place, "--output", there, definition=IRIS).code == 0
    before = s3.get(there), s3.get(f"{there}.manifest.json")
    bad = FLOWERS.assign(petal_width_cm=[1.0, -1.0, float("nan")])
    result = call(
        predict, "--input", s3_object(s3, "bad.csv", bad), "--output", there, definition=IRIS
    )
    assert result.code == 2
    assert "petal_width_cm" in result.err
    assert (s3.get(there), s3.get(f"{there}.manifest.json")) == before
    assert s3.names("kept/") == ["o.csv", "o.csv.manifest.json"]
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


@pytest.mark.parametrize("kind", WRITTEN)
def test_each_task_writes_the_same_rows_to_every_place(
    kind: str, put: Put, call: CallTask, request: pytest.FixtureRequest
) -> None:
    source, there = put("parquet"), written_place(kind, put, request)
    result = call(predict, "--input", source, "--output", "here.parquet", definition=IRIS)
    assert result.code == 0, result.err
    for _ in range(2):
        result = call(predict, "--input", source, "--output", there, definition=IRIS)
        assert result.code == 0, result.err
    assert call(verify.main, "--table", there).code == 0
    assert rows_of(there, call) == rows_of("here.parquet", call)
    again = call(predict, "--input", there, "--output", there, definition=IRIS)
    assert (again.code, again.err.count("\n")) == (2, 1), again.err
    assert "what is read" in again.err or "would replace the input" in again.err
    assert call(verify.main, "--table", there).code == 0
    result = call(features, "--output", there, definition=IRIS)
    assert result.code == 0, result.err
    assert len(rows_of(there, call)) == 150
    manifest = call(verify.main, "--table", there)
    assert "iris labelled rows" in manifest.out, manifest.err


def test_a_folder_of_predictions_in_s3_holds_what_one_here_holds(
    s3: S3, put: Put, call: CallTask
) -> None:
    put("s3")
    source = put("folder")
    for there in ("here", "s3://flowers/folders/there"):
        s3.put("folders/there/old.parquet", b"")
        s3.put("folders/there/old.parquet.manifest.json", b"{}")
        result = call(predict, "--input", source, "--output", there, definition=IRIS)
        assert result.code == 0, result.err
    names = sorted(file.name for file in Path("here").iterdir())
    assert s3.names("folders/there/") == names
    for name in names:
        assert s3.get(f"s3://flowers/folders/there/{name}") == Path("here", name).read_bytes()
    s3.put("folders/there/mine.txt", b"")
    result = call(
        predict, "--input", source, "--output", "s3://flowers/folders/there", definition=IRIS
    )
    assert (result.code, "holds mine.txt, which no prediction wrote" in result.err) == (2, True)


def test_reports_parameters_and_stages_go_to_s3(s3: S3, put: Put, call: CallTask) -> None:
    place, there = put("s3"), "s3://flowers/work"
    tuned = f"{there}/tuned.json"
    for argv in (
        (preprocess, "--output", f"{there}/stages"),
        (tune, "--trials", "1", "--folds", "2", "--output", tuned),
        (train, "--parameters", tuned, "--folds", "2"),
    ):
        result = call(*argv, definition=IRIS)
        assert result.code == 0, result.err
    for _ in range(2):
        argv = ("--contract", "labelled_flowers", "--input", place, "--output", f"{there}/checked")
        assert call(validate_data, *argv).code in (0, 1)
        argv = ("--reference", place, "--current", place, "--output", f"{there}/drift")
        assert call(drift, *argv).code == 0
    result = call(
        gate_model, "--challenger", place, "--truth", place, "--target", "species",
        "--metric", "accuracy", "--at-least", "1", "--report", f"{there}/gate.json",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert {name.rpartition("/")[2] for name in s3.names("work/")} >= {
        "training.parquet", "hold_out.parquet", "tuned.json", "report.html", "report.json",
        "gate.json",
    }  # fmt: skip
    assert json.loads(s3.get(f"{there}/checked/report.json"))["rows"] == 3
    result = call(drift, "--reference", place, "--current", place, "--output", there)
    assert (result.code, "is not an earlier result of this task" in result.err) == (2, True)


def test_of_two_writers_of_an_object_the_last_one_wins_with_its_manifest(
    s3: S3, put: Put, call: CallTask
) -> None:
    """One is stopped between its table and its manifest, while the other writes all of both."""
    put("s3")
    there = "s3://flowers/two/o.csv"
    settings = StoreSettings.load()
    first = FileDestination(ObjectFile(there, settings), "csv")
    send = ObjectFile.replace_by

    def sending(file: ObjectFile, local: Path) -> None:
        send(file, local)
        if file.location == there:
            ObjectFile.replace_by = send  # type: ignore[method-assign]
            late = s3.get(there)
            assert call(export.main, "--src", put("csv"), "--dst", there).code == 0
            # ... but the table of the first one is the last to arrive.
            s3.put("two/o.csv", late)

    ObjectFile.replace_by = sending  # type: ignore[method-assign]
    first.replace(as_batches([FLOWERS[:2]]), Origin(source="first"))
    assert call(verify.main, "--table", there).out.count("first") == 1
    assert call(export.main, "--src", put("csv"), "--dst", there).code == 0
    assert "f.csv" in call(verify.main, "--table", there).out


def written_place(kind: str, put: Put, request: pytest.FixtureRequest) -> str:
    """A place of that kind where nothing is yet."""
    if kind.startswith("s3"):
        put("s3")
    match kind:
        case "s3":
            return "s3://flowers/written/o.parquet"
        case "s3 delta":
            return "s3://flowers/written/o.delta"
        case "duckdb" | "sqlite":
            return f"{kind}:///out.{kind}#flowers"
        case "postgresql":
            return f"{put(kind).partition('#')[0]}#written.flowers"
        case "name":
            request.getfixturevalue("monkeypatch").setenv(
                "DATASCIENCE_STORES_TABLES", json.dumps({"garden": "named.parquet"})
            )
            return "garden"
    return f"o.{kind}"


def rows_of(place: str, call: CallTask) -> list[dict[str, object]]:
    assert call(export.main, "--src", place, "--dst", "rows.jsonl").code == 0
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    return sorted(rows, key=str)
