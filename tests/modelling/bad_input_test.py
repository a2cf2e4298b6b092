"""What breaks a contract, or cannot be written: one message, and the earlier output stays."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from data_access_layer.files import manifest_path
from datasets.flowers import Flowers
from models.iris.definition import MODEL
from models.predict import main
from support.iris import IRIS
from support.tasks import CallTask, Result

COLUMNS = ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")
OUTPUT = Path("out/species.parquet")


class OnlyFlowers(Flowers):
    """Takes no further columns."""

    class Config:
        strict = True


def flowers(count: int = 12, **columns: object) -> pd.DataFrame:
    """Flowers of which some columns are other than they should be."""
    return pd.DataFrame({**dict.fromkeys(COLUMNS, [1.5] * count), **columns})


def with_value(value: object, *rows: int) -> list[object]:
    """A column with `value` in the rows that are given, counted from 1."""
    return [value if row in rows else 1.5 for row in range(1, 13)]


@pytest.fixture
def earlier(champion: Path) -> Iterator[Path]:
    """A repository with an output, which is the same at the end, and has nothing else beside it."""
    OUTPUT.parent.mkdir()
    OUTPUT.write_bytes(b"predictions of yesterday")
    manifest_path(OUTPUT).write_text("{}")
    yield champion
    assert OUTPUT.read_bytes() == b"predictions of yesterday"
    assert manifest_path(OUTPUT).read_text() == "{}"
    assert {*OUTPUT.parent.iterdir()} == {OUTPUT, manifest_path(OUTPUT)}


def refused(call: CallTask, source: str, *further: str) -> str:
    """The message of a call that has to fail for its input."""
    argv = ("--input", source, "--output", str(OUTPUT), *further)
    result = call(main, *argv, definition=IRIS)
    assert (result.code, result.out) == (2, ""), result.err
    assert "Traceback" not in result.err
    assert "Unexpected" not in result.err
    return result.err


FAULTS = {
    "missing column": (
        flowers().drop(columns="petal_width_cm"),
        "column 'petal_width_cm': missing, expected the columns "
        "sepal_length_cm, sepal_width_cm, petal_length_cm, petal_width_cm.",
    ),
    "NaN": (
        flowers(petal_width_cm=with_value(None, 2, 12)),
        "column 'petal_width_cm': expected no missing values, got e.g. nan in 2 rows: 2, 12.",
    ),
    "out of range": (
        flowers(sepal_width_cm=with_value(99.0, 1, 2, 4, 6, 8, 10, 12)),
        "column 'sepal_width_cm': expected at most 30.0, "
        "got e.g. 99.0 in 7 rows: 1, 2, 4, 6, 8, ….",
    ),
    "infinite": (
        flowers(sepal_width_cm=with_value(float("inf"), 7)),
        "column 'sepal_width_cm': expected at most 30.0, got e.g. inf in 1 row: 7.",
    ),
}


@pytest.mark.usefixtures("earlier")
@pytest.mark.parametrize("batch_rows", ["1", "5", "1000"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize(("frame", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_by_file_column_and_rows(
    frame: pd.DataFrame, expected: str, ending: str, batch_rows: str, call: CallTask
) -> None:
    source = f"bad.{ending}"
    frame.to_csv(source, index=False) if ending == "csv" else frame.to_parquet(source)
    assert refused(call, source, "--batch-rows", batch_rows) == f"{source}: {expected}\n"


@pytest.mark.usefixtures("earlier")
def test_all_faults_of_all_files_are_told_at_once(call: CallTask) -> None:
    Path("in").mkdir()
    flowers(sepal_width_cm=with_value(-1.0, 3)).to_parquet("in/a.parquet")
    flowers(sepal_width_cm=with_value(-1.0, 4)).drop(columns="petal_length_cm").to_csv(
        "in/b.csv", index=False
    )
    flowers().to_csv("in/c.csv", index=False)
    problem = "column 'sepal_width_cm': expected more than 0"
    assert refused(call, "in").splitlines() == [
        f"in/a.parquet: {problem}, got e.g. -1.0 in 1 row: 3.",
        f"in/b.csv: column 'petal_length_cm': missing, expected the columns {', '.join(COLUMNS)}.",
        f"in/b.csv: {problem}, got e.g. -1.0 in 1 row: 4.",
    ]


@pytest.mark.usefixtures("earlier")
def test_a_wrong_type_is_told_in_parquet_and_value_by_value_in_csv(call: CallTask) -> None:
    frame = flowers(petal_width_cm=["1.5"] * 12)
    frame.to_parquet("bad.parquet")
    column = "column 'petal_width_cm': expected"
    assert refused(call, "bad.parquet") == f"bad.parquet: {column} float64, got str.\n"
    flowers(petal_width_cm=with_value("wide", 3, 9)).to_csv("bad.csv", index=False)
    expected = f"bad.csv: {column} float64, got e.g. 'wide' in 2 rows: 3, 9.\n"
    assert refused(call, "bad.csv", "--batch-rows", "2") == expected


def test_a_further_column_is_kept_or_refused_as_the_contract_says(
    champion: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    flowers(place="Gaspé").to_parquet("more.parquet")
    argv = ("--input", "more.parquet", "--output", str(OUTPUT))
    assert call(main, *argv, definition=IRIS).code == 0
    assert list(pd.read_parquet(OUTPUT)["place"]) == ["Gaspé"] * 12
    earlier = OUTPUT.read_bytes()
    monkeypatch.setattr(IRIS + ".MODEL", dataclasses.replace(MODEL, input_contract=OnlyFlowers))
    assert refused(call, "more.parquet", "--allow-mismatch").splitlines()[-1] == (
        f"more.parquet: column 'place': unexpected, the contract OnlyFlowers allows only "
        f"{', '.join(COLUMNS)}."
    )
    assert OUTPUT.read_bytes() == earlier


WHOLE = flowers().to_csv(index=False)
BROKEN = {
    "empty.csv": ("", "the file is empty."),
    "empty.parquet": ("", "the file is empty."),
    "header.csv": (f"{','.join(COLUMNS)}\n", "the file has no rows."),
    "semicolons.csv": (WHOLE.replace(",", ";"), "the columns are separated by ';', expected ','."),
    "tabs.csv": (WHOLE.replace(",", "\t"), "the columns are separated by '\\t', expected ','."),
    "text.parquet": (WHOLE, "not a complete Parquet file"),
    "twice.csv": (
        WHOLE.replace("sepal_width_cm", "sepal_length_cm"),
        "expected each column once, got 'sepal_length_cm' twice.",
    ),
    "short.csv": (f"{WHOLE}1,2,3\n", "expected 4 columns, got e.g. 3 in 1 row: 13."),
    "table.xlsx": (WHOLE, "cannot tell the format from the ending '.xlsx'; expected one of"),
}


@pytest.mark.usefixtures("earlier")
@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_table_is_told_in_one_line(name: str, call: CallTask) -> None:
    content, problem = BROKEN[name]
    Path(name).write_text(content)
    message = refused(call, name)
    assert message.startswith(f"{name}: ")
    assert problem in message
    assert message.count("\n") == 1


@pytest.mark.usefixtures("earlier")
@pytest.mark.parametrize("kept", [0.99, 0.5, 0.01])
def test_a_truncated_parquet_file_is_told_in_one_line(kept: float, call: CallTask) -> None:
    flowers(5000).to_parquet("cut.parquet")
    whole = Path("cut.parquet").read_bytes()
    Path("cut.parquet").write_bytes(whole[: int(len(whole) * kept)])
    message = refused(call, "cut.parquet")
    assert message.startswith("cut.parquet: not a complete Parquet file (")
    assert message.endswith("Was it cut off while it was copied?\n")
    assert message.count("\n") == 1


@pytest.mark.usefixtures("earlier")
def test_damage_in_the_middle_of_a_parquet_file_is_told_in_one_line(call: CallTask) -> None:
    noise = pd.Series(range(5000)) / 1000 + 1
    flowers(5000, sepal_length_cm=noise).to_parquet("damaged.parquet", row_group_size=1000)
    whole = bytearray(Path("damaged.parquet").read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = b"\xff" * 2000
    Path("damaged.parquet").write_bytes(whole)
    message = refused(call, "damaged.parquet", "--batch-rows", "100")
    assert message.startswith("damaged.parquet: not a complete Parquet file (")
    assert message.count("\n") == 1


@pytest.mark.usefixtures("earlier")
def test_a_path_that_cannot_be_read_is_told(call: CallTask) -> None:
    assert refused(call, "none.csv") == "none.csv: cannot be read: No such file or directory.\n"
    Path("bare").mkdir()
    assert refused(call, "bare").startswith(
        "bare: the folder contains no file that ends in .parquet"
    )
    flowers().to_parquet("closed.parquet")
    Path("closed.parquet").chmod(0)
    if os.access("closed.parquet", os.R_OK):
        pytest.skip("this user, probably root, reads what is closed to all")
    expected = "closed.parquet: cannot be read: Permission denied.\n"
    assert refused(call, "closed.parquet") == expected


@pytest.mark.usefixtures("earlier")
def test_an_unknown_option_or_value_is_told(call: CallTask) -> None:
    message = "unknown option '--inptu'; did you mean '--input'?\n"
    assert refused(call, "flowers.csv", "--inptu", "x") == message
    message = "the command line: batch_rows: Input should be greater than 0, got '0'.\n"
    assert refused(call, "flowers.csv", "--batch-rows", "0") == message


@contextmanager
def small_disk(repository: Path) -> Iterator[None]:
    """The folder of the output on a file system of 4 MB, with the earlier output in it."""
    kept = {path.name: path.read_bytes() for path in OUTPUT.parent.iterdir()}
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(OUTPUT.parent)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"needs a file system of its own: {error}")
    if mounted.returncode:
        pytest.skip(f"needs a file system of its own: {mounted.stderr.strip()}")
    try:
        for name, content in kept.items():
            (OUTPUT.parent / name).write_bytes(content)
        yield
        # Lazy below: what failed to be closed keeps the file system busy.
        assert {path.name: path.read_bytes() for path in OUTPUT.parent.iterdir()} == kept
    finally:
        subprocess.run(["umount", "--lazy", str(repository / OUTPUT.parent)], check=True)


@contextmanager
def small_files(repository: Path) -> Iterator[None]:
    """No file of this process gets larger than 4 MB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python has it ignored, others may not: the write is to fail instead.
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("short_of_room", "reason"), [(small_disk, errno.ENOSPC), (small_files, errno.EFBIG)]
)
def test_a_full_disk_is_told_in_one_line(
    short_of_room: object, reason: int, ending: str, earlier: Path, call: CallTask
) -> None:
    assert callable(short_of_room)
    # 10 MB that no codec makes small: the model's own file is smaller than the limits above.
    flowers(20_000, note=[os.urandom(256).hex() for _ in range(20_000)]).to_parquet("many.parquet")
    output = OUTPUT.with_suffix(f".{ending}")
    with short_of_room(earlier):
        argv = ("--input", "many.parquet", "--output", str(output), "--batch-rows", "5000")
        result = call(main, *argv, definition=IRIS)
    assert result == Result(
        1,
        "",
        f"{output.absolute()}: not enough space to write it ({os.strerror(reason)}). "
        "Free some space or choose another --output; the earlier output is untouched.\n",
    )


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "Interrupted; the earlier output is untouched.\n"),
        (signal.SIGTERM, 143, "Terminated; the earlier output is untouched.\n"),
    ],
)
def test_a_signal_in_mid_prediction_ends_it_in_one_line(
    number: signal.Signals, code: int, message: str, earlier: Path
) -> None:
    flowers(400_000).to_parquet("long.parquet")
    argv = ("--input", "long.parquet", "--output", str(OUTPUT), "--batch-rows", "500")
    process = subprocess.Popen(
        [sys.executable, "-m", "models.iris.predict", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # Its hidden file tells that rows are being written.
        while process.poll() is None and not list(OUTPUT.parent.glob(".species.parquet.writing-*")):
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err.lstrip()) == (code, "", message)
