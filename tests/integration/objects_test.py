"""Objects of S3, Google Cloud Storage and Azure in real servers: names, lists, broken uploads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.errors import InputError, UserError
from data_access_layer.settings import StoreSettings
from data_access_layer.tables import clouds
from data_access_layer.tables.objects import ObjectFile
from integration.object_stores import GCS, Azure
from integration.servers import S3

SECRET = "planted-Secr3t-key"  # pragma: allowlist secret
SCHEMES = ["s3", "gs", "abfs"]
NAMES = ["a*b?.csv", "c[d].csv", "Größe in €.csv", "50%.csv", "50%25.csv", "no #1.csv", "q?x=1.csv"]
UPLOAD = """
import sys
from pathlib import Path
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.objects import ObjectFile

file = ObjectFile(sys.argv[1], StoreSettings.load())
assert file.is_file()
print("ready", flush=True)
file.replace_with(Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3("garden") as server:
        yield server


@pytest.fixture(scope="module")
def gs() -> Iterator[GCS]:
    with GCS("garden") as server:
        yield server


@pytest.fixture(scope="module")
def abfs() -> Iterator[Azure]:
    with Azure("garden") as server:
        yield server


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store, which the settings then name."""
    server = request.getfixturevalue(request.param)
    variables = (
        {
            "DATASCIENCE_STORES_S3_ENDPOINT_URL": server.endpoint,
            "DATASCIENCE_STORES_S3_KEY": "key",
            "DATASCIENCE_STORES_S3_SECRET": SECRET,
        }
        if isinstance(server, S3)
        else server.settings
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATASCIENCE_STORES_RETRIES", "0")
    return str(request.param)


def of(scheme: str, key: str, bucket: str = "garden") -> ObjectFile:
    return ObjectFile(f"{scheme}://{bucket}/{key}", StoreSettings.load())


def put(file: ObjectFile, content: bytes, tmp_path: Path) -> None:
    local = tmp_path / "content"
    local.write_bytes(content)
    file.replace_with(local)


def test_a_name_is_that_name_and_no_pattern(scheme: str, tmp_path: Path) -> None:
    for name in NAMES:
        put(of(scheme, f"names/{name}"), name.encode(), tmp_path)
    for name in NAMES:
        file = of(scheme, f"names/{name}")
        assert (file.name, file.size()) == (name, len(name.encode()))
        assert file.read_text() == name
        assert [found.path for found in file.files()] == [file]
    listed = of(scheme, "names").list_objects()
    assert [each.file for each in listed] == [of(scheme, f"names/{name}") for name in sorted(NAMES)]
    assert not of(scheme, "names/ab.csv").is_file()
    assert not of(scheme, "names/cd.csv").is_file()


def test_what_is_below_a_prefix(scheme: str, tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    keys = ["year=2024/a.csv", "year=2025/b.csv", "year=2025/c.csv"]
    hidden = ["_SUCCESS", "_tmp/d.csv", ".hidden.csv", "year=2025/b.csv.manifest.json"]
    for key in [*keys, *hidden]:
        put(of(scheme, f"parts/{key}"), b"n\n1\n", tmp_path)
    # Another prefix that begins with the same letters.
    put(of(scheme, "partsold/e.csv"), b"n\n1\n", tmp_path)
    found = of(scheme, "parts/").files()
    assert [str(each.path) for each in found] == [f"{scheme}://garden/parts/{key}" for key in keys]
    assert [each.partition for each in found] == [{"year": "2024"}, *[{"year": "2025"}] * 2]
    listed = of(scheme, "parts").list_objects()
    assert [each.file for each in listed] == [
        of(scheme, f"parts/{key}") for key in sorted([*keys, *hidden])
    ]
    assert {each.size for each in listed} == {4}
    assert all(before < each.modified < datetime.now(UTC) for each in listed)


def test_a_folder_in_a_folder_is_refused(scheme: str, tmp_path: Path) -> None:
    put(of(scheme, "nested/a.csv"), b"n\n1\n", tmp_path)
    put(of(scheme, "nested/more/b.csv"), b"n\n1\n", tmp_path)
    with pytest.raises(InputError, match=f"^{scheme}://garden/nested/more: is a folder inside"):
        of(scheme, "nested").files()


def test_an_object_is_removed(scheme: str, tmp_path: Path) -> None:
    file = of(scheme, "removed.csv")
    put(file, b"n\n", tmp_path)
    file.delete()
    assert not file.is_file()
    file.delete()
    with pytest.raises(FileNotFoundError):
        file.read_text()
    with pytest.raises(InputError, match="there is no such object"):
        file.open()


def test_a_bucket_that_is_not_there(scheme: str, tmp_path: Path) -> None:
    what = "container" if scheme == "abfs" else "bucket"
    missing = f"^{scheme}://nowhere/.*: there is no {what} 'nowhere'"
    for key in ("a.csv", "prefix"):
        with pytest.raises(InputError, match=missing):
            of(scheme, key, "nowhere").files()
    with pytest.raises(InputError, match=missing):
        of(scheme, "a.csv", "nowhere").check_bucket()


def test_a_killed_upload_leaves_the_earlier_object(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, later = b"earlier", os.urandom(48 << 20)
    new = tmp_path / "new"
    new.write_bytes(later)
    file, killed = of(scheme, "killed/o.csv"), 0
    command = [sys.executable, "-c", UPLOAD, file.location, str(new)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for milliseconds in (0, 20, 60, 120, 200, 300, 450):
        put(file, earlier, tmp_path)
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(milliseconds / 1000)
        process.kill()
        process.communicate()
        with file.open() as opened:
            content = opened.read()
        assert content in (earlier, later)
        killed += content == earlier
    assert killed
    # What a killed upload left is not a part of the table, and the next one removes it.
    assert [found.path for found in of(scheme, "killed").files()] == [file]
    monkeypatch.setattr(clouds, "LONGEST_UPLOAD", timedelta(seconds=-2))
    put(file, earlier, tmp_path)
    assert [each.file for each in of(scheme, "killed").list_objects()] == [file]


def test_a_store_that_hangs_is_one_message(
    scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = request.getfixturevalue(scheme)
    if isinstance(server, S3):
        pytest.skip("the server of S3 is a thread of this process, which cannot be stopped")
    monkeypatch.setenv("DATASCIENCE_STORES_TIMEOUT_SECONDS", "1")
    file = of(scheme, "hanging.csv")
    file.is_file()
    started = time.monotonic()
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(UserError, match=r"hanging.csv: no answer in 1 s, 1 time"):
            file.is_file()
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert time.monotonic() - started < 10


def test_azure_refuses_what_it_could_not_replace_whole(
    abfs: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in abfs.settings.items():
        monkeypatch.setenv(name, value)
    file = of("abfs", "large/o.bin")
    put(file, b"earlier", tmp_path)
    monkeypatch.setattr(clouds, "AZURE_COPY_BYTES", 1 << 20)
    with pytest.raises(UserError, match="cannot be written: its size is 2 MiB, and Azure replaces"):
        put(file, bytes(2 << 20), tmp_path)
    assert file.read_text() == "earlier"
    assert [each.file for each in of("abfs", "large").list_objects()] == [file]


def test_azure_with_a_wrong_key_names_what_to_set(
    abfs: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in abfs.settings.items():
        monkeypatch.setenv(name, value)
    planted = Azure("garden").key
    for key in (planted, SECRET):
        monkeypatch.setenv("DATASCIENCE_STORES_AZURE_KEY", key)
        with pytest.raises(UserError, match=r"^abfs://garden/a.csv: access denied") as raised:
            of("abfs", "a.csv").is_file()
        assert "Set DATASCIENCE_STORES_AZURE_ACCOUNT and DATASCIENCE_STORES_AZURE_KEY" in str(
            raised.value
        )
        assert key not in str(raised.value)


def test_the_account_of_a_place_is_used(abfs: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in abfs.settings.items():
        monkeypatch.setenv(name, value)
    account = abfs.settings["DATASCIENCE_STORES_AZURE_ACCOUNT"]
    monkeypatch.delenv("DATASCIENCE_STORES_AZURE_ACCOUNT")
    place = f"abfss://garden@{account}.dfs.core.windows.net"
    file = ObjectFile(f"{place}/of account/a.csv", StoreSettings.load())
    file.replace_with(Path(__file__))
    assert file.key == "garden/of account/a.csv"
    [listed] = ObjectFile(f"{place}/of account", StoreSettings.load()).list_objects()
    assert listed.file == file
    assert listed.file.read_text() == Path(__file__).read_text()
