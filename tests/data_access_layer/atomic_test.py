from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from cli.errors import InputError, UserError
from data_access_layer.atomic import stage_path
from data_access_layer.files import format_of
from data_access_layer.formats.writer import TableWriter


def content(path: Path) -> object:
    """The content of a path, including hidden files."""
    if path.is_dir():
        return {entry.name: content(entry) for entry in path.iterdir()}
    return path.read_text()


def names(folder: Path, process: int) -> set[str]:
    """The names in a folder, without the random part of staging paths."""
    staging = rf"\.writing-{process}-[0-9a-f]{{12}}$"
    return {re.sub(staging, ".writing-PID", path.name) for path in folder.iterdir()}


def write(destination: Path, text: str, *, folder: bool) -> None:
    with stage_path(destination) as staging:
        fill(staging, text, folder=folder)


def fill(staging: Path, text: str, *, folder: bool) -> None:
    if folder:
        staging.mkdir()
        (staging / text).write_text(text)
    else:
        staging.write_text(text)


def filled(text: str, *, folder: bool) -> object:
    return {text: text} if folder else text


@contextmanager
def child(
    program: str, *arguments: object, before: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Another run; dead at the end, whatever the test finds."""
    with subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program, *map(str, arguments)],
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


PREAMBLE = """
import os, shutil, signal, sys, time
from pathlib import Path
from cli.errors import UserError
from data_access_layer.atomic import stage_path
destination, folder = Path(sys.argv[1]), sys.argv[2:] == ["True"]
"""

WRITE_AND_WAIT = """
with stage_path(destination) as staging:
    if folder:
        staging.mkdir()
        (staging / "half").write_text("half")
    else:
        staging.write_text("half")
    print("half-written", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=[False, True], ids=["file", "folder"])
def folder(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def killed(tmp_path: Path, folder: bool) -> Iterator[subprocess.Popen[str]]:
    """A run that was killed while it wrote, over an earlier output."""
    write(tmp_path / "out", "earlier", folder=folder)
    with child(WRITE_AND_WAIT, tmp_path / "out", folder) as process:
        assert process.stdout
        assert process.stdout.readline() == "half-written\n"
        process.kill()
        assert process.wait() == -signal.SIGKILL
        yield process


def test_what_is_written_appears_at_the_end_and_as_a_whole(tmp_path: Path, folder: bool) -> None:
    destination = tmp_path / "new" / "folders" / "out"
    with stage_path(destination) as staging:
        fill(staging, "first", folder=folder)
        assert not destination.exists()
        # A rename is atomic within one folder.
        assert staging.parent == destination.parent
    assert content(destination.parent) == {"out": filled("first", folder=folder)}
    with stage_path(destination) as staging:
        fill(staging, "second", folder=folder)
        assert content(destination) == filled("first", folder=folder)
    assert content(destination.parent) == {"out": filled("second", folder=folder)}


@pytest.mark.parametrize("error", [ValueError("ours"), KeyboardInterrupt("ours"), OSError("ours")])
@pytest.mark.parametrize("earlier", [True, False])
def test_where_the_body_raises_nothing_changes_and_nothing_is_left(
    tmp_path: Path, folder: bool, error: BaseException, earlier: bool
) -> None:
    if earlier:
        write(tmp_path / "out", "earlier", folder=folder)
    before = content(tmp_path)

    def body() -> None:
        with stage_path(tmp_path / "out") as staging:
            fill(staging, "half", folder=folder)
            raise error

    with pytest.raises(type(error), match="ours"):
        body()
    assert content(tmp_path) == before


def test_where_the_body_writes_nothing_nothing_changes(tmp_path: Path, folder: bool) -> None:
    write(tmp_path / "out", "earlier", folder=folder)
    before = content(tmp_path)
    with stage_path(tmp_path / "out"):
        pass
    assert content(tmp_path) == before


def test_a_killed_run_leaves_the_earlier_output_and_the_next_run_clears_up(
    tmp_path: Path, folder: bool, killed: subprocess.Popen[str]
) -> None:
    assert names(tmp_path, killed.pid) == {"out", ".out.writing-PID"}
    (left_behind,) = tmp_path.glob(".out.writing-*")
    assert content(left_behind) == filled("half", folder=folder)
    assert content(tmp_path / "out") == filled("earlier", folder=folder)
    write(tmp_path / "out", "next", folder=folder)
    assert content(tmp_path) == {"out": filled("next", folder=folder)}


def test_a_killed_run_of_the_same_process_number_is_cleared_up(
    tmp_path: Path, folder: bool
) -> None:
    # In containers all runs tend to have the same one.
    fill(tmp_path / f".out.writing-{os.getpid()}", "half", folder=folder)
    write(tmp_path / "out", "next", folder=folder)
    assert content(tmp_path) == {"out": filled("next", folder=folder)}


def test_what_others_write_is_left_alone(tmp_path: Path, folder: bool) -> None:
    with child(WRITE_AND_WAIT, tmp_path / "out", folder) as process:
        assert process.stdout
        process.stdout.readline()
        for name in (".out.writing-abc", ".outer.writing-99999999", "out.writing-99999999"):
            (tmp_path / name).write_text("foreign")
        before = content(tmp_path)
        assert isinstance(before, dict)
        write(tmp_path / "out", "next", folder=folder)
        assert content(tmp_path) == {**before, "out": filled("next", folder=folder)}


def test_a_name_with_special_characters_is_cleared_up_too(tmp_path: Path) -> None:
    # What a pattern of file names would take for a choice of characters.
    (tmp_path / ".a[b]*.writing-99999999").write_text("half")
    write(tmp_path / "a[b]*", "next", folder=False)
    assert content(tmp_path) == {"a[b]*": "next"}


# Kills itself just before the call of that number of a function.
KILLED_AT = """
def killed_at(module, name, number):
    function, calls = getattr(module, name), []
    def counting(*arguments, **options):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    setattr(module, name, counting)

{killed_at}
with stage_path(destination) as staging:
    staging.mkdir()
    (staging / "second").write_text("second")
"""


@pytest.mark.parametrize(
    ("killed_at", "left", "recovered"),
    [
        ("killed_at(os, 'replace', 1)", {"out", ".out.writing-PID"}, "first"),
        ("killed_at(os, 'replace', 2)", {".out.replaced", ".out.writing-PID"}, "first"),
        ("killed_at(shutil, 'rmtree', 1)", {".out.replaced", "out"}, "second"),
    ],
)
def test_a_folder_whose_replacement_was_killed_is_recovered_by_the_next_run(
    tmp_path: Path, killed_at: str, left: set[str], recovered: str
) -> None:
    write(tmp_path / "out", "first", folder=True)
    with child(KILLED_AT.format(killed_at=killed_at), tmp_path / "out") as process:
        assert process.wait() == -signal.SIGKILL
    assert names(tmp_path, process.pid) == left
    # It is as soon as the next run begins, whether that one writes anything or not.
    with stage_path(tmp_path / "out"):
        assert content(tmp_path) == {"out": {recovered: recovered}}
    assert content(tmp_path) == {"out": {recovered: recovered}}


def test_a_file_at_its_limit_of_size_is_one_message(tmp_path: Path) -> None:
    write(tmp_path / "out", "earlier", folder=False)
    program = """
try:
    with stage_path(destination) as staging:
        staging.write_text("x" * 100_000)
except UserError as error:
    print(error)
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    with child(program, tmp_path / "out", before=limit) as process:
        assert process.communicate()[0] == (
            f"{tmp_path}/out: not enough space to write it (File too large). Free some space or "
            "choose another --output; the earlier output is untouched.\n"
        )
    assert content(tmp_path) == {"out": "earlier"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_full_disk_is_one_message_and_leaves_the_earlier_output(
    small_disk: Path, ending: str
) -> None:
    destination = small_disk / f"out.{ending}"
    write(destination, "earlier", folder=False)
    rows = pd.DataFrame({"a": [f"{number:0100}" for number in range(10_000)]})
    message = f"{destination}: not enough space to write it (No space left on device). "

    def write_table() -> None:
        with (
            stage_path(destination) as staging,
            TableWriter(str(staging), format=format_of(destination)) as writer,
        ):
            for _ in range(10):
                writer.write(rows)

    with pytest.raises(UserError, match=re.escape(message)) as raised:
        write_table()
    assert raised.value.exit_code == 1
    assert content(small_disk) == {f"out.{ending}": "earlier"}


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, folder: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "out"
    link.symlink_to(target)
    # The first time it leads nowhere yet.
    for text in ("first", "second"):
        write(link, text, folder=folder)
        assert link.is_symlink()
        assert content(target) == filled(text, folder=folder)
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "out"}
    assert {path.name for path in target.parent.iterdir()} == {"target"}


def test_neither_replaces_a_file_a_folder_nor_a_folder_a_file(tmp_path: Path, folder: bool) -> None:
    write(tmp_path / "out", "earlier", folder=folder)
    kind = "a folder" if folder else "a file"
    message = re.escape(f"{tmp_path}/out: is {kind}, but the output is ")
    with pytest.raises(InputError, match=message):
        write(tmp_path / "out", "next", folder=not folder)
    assert content(tmp_path) == {"out": filled("earlier", folder=folder)}


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for destination, reason in {
        tmp_path / "file" / "out": "Not a directory|File exists",
        loop / "out": "Too many levels of symbolic links|File exists",
        # Root may write everywhere, but there no one can.
        Path("/proc/1/out"): "No such file or directory|Permission denied|Operation not permitted",
    }.items():
        with (
            pytest.raises(InputError, match=f"{destination}: cannot be written: ({reason})"),
            stage_path(destination),
        ):
            pytest.fail("the work began")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o444, 0o755])
def test_what_is_replaced_keeps_its_mode(tmp_path: Path, folder: bool, kept: int) -> None:
    kept |= 0o700 if folder else 0
    write(tmp_path / "out", "earlier", folder=folder)
    (tmp_path / "out").chmod(kept)
    write(tmp_path / "out", "next", folder=folder)
    assert mode(tmp_path / "out") == kept
    assert content(tmp_path) == {"out": filled("next", folder=folder)}


def test_nobody_else_reads_a_private_file_while_it_is_written(tmp_path: Path) -> None:
    destination = tmp_path / "out.csv"
    destination.touch(mode=0o600)
    with stage_path(destination) as staging:
        pd.DataFrame({"a": [1]}).to_csv(staging, index=False)
        assert mode(staging) == 0o600
    assert mode(destination) == 0o600
    # An empty one is one, too.
    with stage_path(destination) as staging:
        staging.write_text("")
    assert destination.read_text() == ""


@pytest.fixture
def stranger() -> int:
    """The number of another user."""
    if os.getuid():
        pytest.skip("may not make files of another user")
    return 65534


def test_what_is_replaced_keeps_its_owner(tmp_path: Path, folder: bool, stranger: int) -> None:
    write(tmp_path / "out", "earlier", folder=folder)
    os.chown(tmp_path / "out", stranger, stranger)
    write(tmp_path / "out", "next", folder=folder)
    found = (tmp_path / "out").stat()
    assert (found.st_uid, found.st_gid) == (stranger, stranger)


@pytest.fixture
def for_all(tmp_path: Path) -> Iterator[Path]:
    """A folder that every user reaches, and may write."""
    before = {folder: mode(folder) for folder in (tmp_path, *tmp_path.parents)}
    for folder, kept in before.items():
        folder.chmod(kept | (0o777 if folder == tmp_path else 0o001))
    yield tmp_path
    for folder, kept in before.items():
        folder.chmod(kept)


def test_where_the_group_cannot_be_kept_ours_may_no_more_than_others(
    for_all: Path, stranger: int
) -> None:
    destination = for_all / "out"
    destination.touch()
    destination.chmod(0o664)
    program = """
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with stage_path(destination) as staging:
    staging.write_text("next")
"""
    with child(program, destination) as process:
        assert process.wait() == 0
    assert (destination.stat().st_uid, mode(destination)) == (stranger, 0o644)


def test_the_name_of_what_is_written_cannot_be_guessed(tmp_path: Path, folder: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    seen = set()
    for _ in range(3):
        with stage_path(tmp_path / "out") as staging:
            # An attacker who knows the process ID could create these.
            (tmp_path / f".out.writing-{os.getpid()}").symlink_to(victim)
            fill(staging, "rows", folder=folder)
            seen.add(staging.name)
    assert len(seen) == 3
    assert victim.read_text() == "mine"


def test_what_no_killed_run_left_is_not_taken_for_output(tmp_path: Path, folder: bool) -> None:
    planted = tmp_path / ".out.replaced"
    planted.write_text("planted")
    with stage_path(tmp_path / "out"):
        pass
    assert content(tmp_path) == {planted.name: "planted"}
    planted.unlink()
    (tmp_path / "elsewhere").mkdir()
    planted.symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "out", "rows", folder=folder)
    assert content(tmp_path / "out") == filled("rows", folder=folder)
    assert planted.is_symlink()


def test_what_belongs_to_others_is_left_alone(tmp_path: Path, stranger: int) -> None:
    planted = [tmp_path / ".out.replaced", tmp_path / ".out.writing-99999999"]
    for path in planted:
        fill(path, "planted", folder=True)
        os.chown(path, stranger, stranger)
    with stage_path(tmp_path / "out"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in planted}
    write(tmp_path / "out", "first", folder=True)
    with pytest.raises(InputError, match=r"cannot be replaced while .*\.out\.replaced exists"):
        write(tmp_path / "out", "second", folder=True)
    assert content(tmp_path / "out") == filled("first", folder=True)
    shutil.rmtree(planted[0])


@pytest.mark.parametrize("part", ["out", "folder/out"])
def test_somebody_elses_link_in_a_folder_of_everybody_is_not_followed(
    tmp_path: Path, stranger: int, part: str
) -> None:
    mine, everybodys = tmp_path / "mine", tmp_path / "everybodys"
    mine.mkdir()
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    (mine / "out").write_text("mine")
    link = everybodys / Path(part).parts[0]
    link.symlink_to(mine if "/" in part else mine / "out")
    os.lchown(link, stranger, stranger)
    with pytest.raises(InputError, match="is another user's link"):
        write(everybodys / part, "rows", folder=False)
    assert (mine / "out").read_text() == "mine"
    os.lchown(link, os.getuid(), os.getgid())
    write(everybodys / part, "rows", folder=False)
    assert (mine / "out").read_text() == "rows"
