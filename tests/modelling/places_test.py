"""The same table in every kind of place: each task reads the same rows from it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyarrow import fs

from data_access_layer.commit.destination import Origin
from data_access_layer.formats.writer import as_batches
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.objects import ObjectFile
from data_access_layer.tables.written_file import FileDestination
from data_exports import export, verify
from integration.object_stores import GCS, Azure
from integration.servers import S3, USER, PostgreSQL, S3Process
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
DIABETES = "models.diabetes.definition"
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
    "gs",
    "gs csv",
    "gs prefix",
    "abfs",
    "abfs csv",
    "abfs prefix",
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
    "gs",
    "abfs",
    "duckdb",
    "sqlite",
    "postgresql",
    "name",
]
STORES = ("s3", "gs", "abfs")

type Put = Callable[[str], str]
type Bucket = Callable[[str], Objects]


@dataclass(frozen=True)
class Objects:
    """The bucket `flowers` of a real server, seen by a client of its own."""

    root: str
    filesystem: fs.FileSystem

    def put(self, key: str, frame: pd.DataFrame = FLOWERS) -> str:
        local = write(Path(key).name, frame)
        with self.filesystem.open_output_stream(f"flowers/{key}", compression=None) as file:
            file.write(Path(local).read_bytes())
        Path(local).unlink()
        return f"{self.root}/{key}"

    def read(self, place: str) -> bytes:
        key = place.removeprefix(self.root)
        with self.filesystem.open_input_stream(f"flowers{key}", compression=None) as file:
            return bytes(file.read())

    def names(self, folder: str) -> list[str]:
        selector = fs.FileSelector(f"flowers/{folder}", recursive=True)
        return sorted(it.base_name for it in self.filesystem.get_file_info(selector) if it.is_file)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3Process("flowers") as server:
        yield server


@pytest.fixture(scope="module")
def gs() -> Iterator[GCS]:
    with GCS("flowers") as server:
        yield server


@pytest.fixture(scope="module")
def abfs() -> Iterator[Azure]:
    with Azure("flowers") as server:
        yield server


@pytest.fixture
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The bucket of a store, which the settings then name."""

    def bucket(scheme: str) -> Objects:
        server = request.getfixturevalue(scheme)
        for name, value in server.settings.items():
            monkeypatch.setenv(name, value)
        return Objects(f"{scheme}://flowers", server.filesystem)

    return bucket


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL(PASSWORD) as server:
        yield server


@pytest.fixture
def put(
    champion: Path, bucket: Bucket, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Put:
    """Put the flowers into a place of that kind, and give the place's name."""

    def put(kind: str) -> str:
        scheme, _, what = kind.partition(" ")
        if scheme in STORES and what != "delta":
            return put_objects(bucket(scheme), what)
        match kind:
            case "csv" | "parquet":
                return write(f"f.{kind}")
            case "folder":
                Path("in").mkdir()
                FLOWERS[:2].to_csv("in/a.csv", index=False)
                FLOWERS[2:].to_parquet("in/b.parquet")
                return "in"
            case "duckdb":
                with duckdb.connect("all.duckdb") as opened:
                    opened.execute("create schema garden")
                    opened.execute("create table garden.flowers as select * from FLOWERS")
                return "duckdb:///all.duckdb#garden.flowers"
            case "delta":
                write_deltalake("f.delta", pa.Table.from_pandas(FLOWERS))
                return "f.delta"
            case "s3 delta":
                bucket("s3")
                call: CallTask = request.getfixturevalue("call")
                there = "s3://flowers/read.delta"
                assert call(export.main, "--src", write("f.parquet"), "--dst", there).code == 0
                return there
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


def write(name: str, frame: pd.DataFrame = FLOWERS) -> str:
    if ".csv" in name:
        frame.to_csv(name, index=False)
    else:
        frame.to_parquet(name)
    return name


def put_objects(objects: Objects, what: str) -> str:
    match what:
        case "csv":
            return objects.put("f.csv.gz")
        case "prefix":
            objects.put("parts/a.parquet", FLOWERS[:2])
            objects.put("parts/b.csv", FLOWERS[2:])
            objects.put("parts/_SUCCESS.csv", FLOWERS)
            return f"{objects.root}/parts"
    return objects.put("f.parquet")


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


@pytest.mark.parametrize("scheme", STORES)
def test_what_is_not_in_a_store_is_one_message(
    scheme: str, bucket: Bucket, call: CallTask, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket(scheme)
    monkeypatch.setenv("DATASCIENCE_STORES_RETRIES", "0")
    for place, said in {
        "flowers/no.parquet": "flowers/no.parquet: cannot be read: there is no such object.",
        "nowhere/no.parquet": "'nowhere'",
        "flowers/prefix": "flowers/prefix: the folder contains no file that ends in",
    }.items():
        place = f"{scheme}://{place}"
        result = call(predict, "--input", place, "--output", "o.csv", definition=IRIS)
        assert (result.code, result.err.count("\n")) == (2, 1), result.err
        assert result.err.startswith(place)
        assert said in result.err


@pytest.mark.parametrize("scheme", STORES)
def test_a_store_that_does_not_answer_is_one_message(
    scheme: str, bucket: Bucket, call: CallTask, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket(scheme)
    monkeypatch.setenv("DATASCIENCE_STORES_RETRIES", "0")
    monkeypatch.setenv("DATASCIENCE_STORES_TIMEOUT_SECONDS", "3")
    kind = {"gs": "GCS", "abfs": "AZURE"}.get(scheme, "S3")
    monkeypatch.setenv(f"DATASCIENCE_STORES_{kind}_ENDPOINT_URL", "http://127.0.0.1:9")
    started = time.monotonic()
    place = f"{scheme}://flowers/f.parquet"
    result = call(predict, "--input", place, "--output", "o.csv", definition=IRIS)
    assert time.monotonic() - started < 20
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert result.err.startswith(place)
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
@pytest.mark.parametrize("scheme", STORES)
def test_predictions_go_to_a_store_with_their_manifest(
    scheme: str, bucket: Bucket, put: Put, call: CallTask, ending: str
) -> None:
    objects, place = bucket(scheme), put(scheme)
    call(predict, "--input", place, "--output", f"here.{ending}", definition=IRIS)
    there = f"{objects.root}/predicted/{ending}/o.{ending}"
    for _ in range(2):
        result = call(predict, "--input", place, "--output", there, definition=IRIS)
        assert result.code == 0, result.err
    assert objects.read(there) == Path(f"here.{ending}").read_bytes()
    manifest = json.loads(objects.read(f"{there}.manifest.json"))
    assert (manifest["rows"], manifest["source"], manifest["model"]) == (3, place, "iris")
    assert "replaces" not in manifest
    assert call(verify.main, "--table", there).code == 0
    assert objects.names(f"predicted/{ending}") == [f"o.{ending}", f"o.{ending}.manifest.json"]
    again = call(predict, "--input", there, "--output", there, definition=IRIS)
    assert (again.code, "would replace the input" in again.err) == (2, True)


@pytest.mark.parametrize("scheme", STORES)
def test_what_a_store_holds_is_verified(
    scheme: str, bucket: Bucket, put: Put, call: CallTask
) -> None:
    objects = bucket(scheme)
    there = f"{objects.root}/v/o.csv"
    assert call(export.main, "--src", put(scheme), "--dst", there).code == 0
    objects.put("v/o.csv")
    result = call(verify.main, "--table", there)
    assert result.code == 1
    assert "was changed after it was written" in result.err


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "xlsx"])
@pytest.mark.parametrize("scheme", STORES)
def test_an_export_to_a_store_is_the_file_that_is_written_here(
    scheme: str, bucket: Bucket, put: Put, call: CallTask, ending: str
) -> None:
    objects, place = bucket(scheme), put(f"{scheme} csv")
    for there in (f"o.{ending}", f"{objects.root}/exported/o.{ending}"):
        result = call(export.main, "--src", place, "--dst", there)
        assert result.code == 0, result.err
    assert objects.read(there) == Path(f"o.{ending}").read_bytes()


@pytest.mark.parametrize("scheme", STORES)
def test_a_failure_while_rows_are_written_leaves_what_a_store_holds(
    scheme: str, bucket: Bucket, put: Put, call: CallTask
) -> None:
    objects, place = bucket(scheme), put(scheme)
    there = f"{objects.root}/kept/o.csv"
    assert call(predict, "--input", place, "--output", there, definition=IRIS).code == 0
    before = objects.read(there), objects.read(f"{there}.manifest.json")
    bad = FLOWERS.assign(petal_width_cm=[1.0, -1.0, float("nan")])
    bad_place = objects.put("bad.csv", bad)
    result = call(predict, "--input", bad_place, "--output", there, definition=IRIS)
    assert result.code == 2
    assert "petal_width_cm" in result.err
    assert (objects.read(there), objects.read(f"{there}.manifest.json")) == before
    assert objects.names("kept") == ["o.csv", "o.csv.manifest.json"]
    nowhere = f"{scheme}://nowhere/o.csv"
    result = call(predict, "--input", place, "--output", nowhere, definition=IRIS)
    assert (result.code, result.err.count("\n")) == (2, 1), result.err
    assert result.err.startswith(f"{nowhere}: there is no ")


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
    there = written_place(kind, put, request)
    source = write("source.parquet")
    result = call(predict, "--input", source, "--output", "here.parquet", definition=IRIS)
    assert result.code == 0, result.err
    for _ in range(2):
        result = call(predict, "--input", source, "--output", there, definition=IRIS)
        assert result.code == 0, result.err
    assert call(verify.main, "--table", there).code == 0
    assert rows_of(there, call) == rows_of("here.parquet", call)
    again = call(predict, "--input", there, "--output", there, definition=IRIS)
    assert (again.code, again.err.count("\n")) == (2, 1), again.err
    assert "the input" in again.err, again.err
    if kind == "duckdb":
        again = call(predict, "--input", there, "--output", f"{there}_2", definition=IRIS)
        assert (again.code, "in the same DuckDB file" in again.err) == (2, True), again.err
    assert call(verify.main, "--table", there).code == 0
    result = call(features, "--output", there, definition=IRIS)
    assert result.code == 0, result.err
    assert len(rows_of(there, call)) == 150
    manifest = call(verify.main, "--table", there)
    assert "iris labelled rows" in manifest.out, manifest.err


def test_a_name_whose_place_is_a_folder_is_that_folder(
    put: Put, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATASCIENCE_STORES_TABLES", json.dumps({"garden": "elsewhere/parts"}))
    result = call(predict, "--input", put("folder"), "--output", "garden", definition=IRIS)
    assert result.code == 0, result.err
    assert Path("elsewhere/parts/a.parquet").is_file()
    assert not Path("garden").exists()


@pytest.mark.parametrize("scheme", STORES)
def test_a_folder_of_predictions_in_a_store_holds_what_one_here_holds(
    scheme: str, bucket: Bucket, put: Put, call: CallTask
) -> None:
    objects, source = bucket(scheme), put("folder")
    there = f"{objects.root}/folders/there"
    objects.put("folders/there/old.parquet")
    objects.put("folders/there/old.parquet.manifest.json.csv")
    result = call(predict, "--input", source, "--output", there, definition=IRIS)
    assert (result.code, "did not write old.parquet in it" in result.err) == (2, True)
    there = f"{objects.root}/folders/else"
    for output in ("here", there, there):
        result = call(predict, "--input", source, "--output", output, definition=IRIS)
        assert result.code == 0, result.err
    names = sorted(file.name for file in Path("here").iterdir())
    assert objects.names("folders/else") == names
    for name in names:
        assert objects.read(f"{there}/{name}") == Path("here", name).read_bytes()
    Path("in/b.parquet").unlink()
    assert call(predict, "--input", source, "--output", there, definition=IRIS).code == 0
    assert objects.names("folders/else") == ["a.parquet", "a.parquet.manifest.json"]


@pytest.mark.parametrize("scheme", STORES)
def test_reports_parameters_and_stages_go_to_a_store(
    scheme: str, bucket: Bucket, put: Put, call: CallTask
) -> None:
    objects, place = bucket(scheme), put(scheme)
    there = f"{objects.root}/work"
    result = call(preprocess, "--output", f"{there}/stages", definition=IRIS)
    assert result.code == 0, result.err
    tuned = f"{there}/tuned.json"
    for task, *options in (
        (tune, "--trials", "1", "--output", tuned),
        (train, "--no-promote", "--parameters", tuned),
    ):
        result = call(task, "--folds", "2", *options, definition=DIABETES)
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
    assert {*objects.names("work")} >= {
        "training.parquet", "hold_out.parquet", "tuned.json", "report.html", "report.json",
        "gate.json",
    }  # fmt: skip
    assert json.loads(objects.read(f"{there}/checked/report.json"))["rows"] == 3
    result = call(drift, "--reference", place, "--current", place, "--output", there)
    assert (result.code, "is not an earlier result of this task" in result.err) == (2, True)


def test_of_two_writers_of_an_object_the_last_one_wins_with_its_manifest(
    s3: S3, bucket: Bucket, put: Put, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stops between its table and its manifest, while another writes both."""
    objects, source = bucket("s3"), put("csv")
    there = f"{objects.root}/two/o.csv"
    first = FileDestination(ObjectFile(there, StoreSettings.load()), "csv")
    send = ObjectFile.replace_with

    def sending(file: ObjectFile, local: Path) -> None:
        send(file, local)
        if file.location == there:
            monkeypatch.setattr(ObjectFile, "replace_with", send)
            late = s3.get(there)
            assert call(export.main, "--src", source, "--dst", there).code == 0
            # The other's manifest is there; but the table of the first one is the last to arrive.
            s3.put("two/o.csv", late)

    monkeypatch.setattr(ObjectFile, "replace_with", sending)
    first.replace(as_batches([FLOWERS[:2]]), Origin(source="the first one"))
    assert "the first one" in call(verify.main, "--table", there).out
    assert call(export.main, "--src", source, "--dst", there).code == 0
    assert source in call(verify.main, "--table", there).out


@pytest.mark.parametrize(
    "task",
    [
        *("models.evaluate", "models.features", "models.predict", "models.preprocess"),
        *("models.train", "models.tune", "data_exports.export", "data_exports.verify"),
        *("feature_store.extract", "validation.drift", "validation.gate_model"),
        "validation.validate_data",
    ],
)
def test_the_help_of_each_task_names_the_page_and_an_example(task: str) -> None:
    text = import_module(task).__doc__ or ""
    assert "docs/pages/places.md" in text
    assert "://" in text.partition("Examples:")[2].partition("\n\n")[0]


def written_place(kind: str, put: Put, request: pytest.FixtureRequest) -> str:
    """A place of that kind where nothing is yet."""
    if (scheme := kind.partition(" ")[0]) in STORES:
        put(scheme)
    match kind:
        case "s3" | "gs" | "abfs":
            return f"{kind}://flowers/written/o.parquet"
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
