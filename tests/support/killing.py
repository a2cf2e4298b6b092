"""Exports that are killed: after some time, or just before or after one of their steps.

`ZYGOTE` is a program that has imported all that an export needs, and forks a process for each; so
hundreds can be killed in the time that a few would take to start.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from support.tasks import IMPORT_PATH

ZYGOTE = r"""
import json, os, signal, shutil, sys, time, warnings
from pathlib import Path
from contextlib import suppress
from importlib import import_module

# What an export imports late: each process would do it again.
for name in (
    "rich.table", "rich._emoji_codes", "xlsxwriter", "sqlalchemy.dialects.postgresql.psycopg"
):
    with suppress(ImportError):
        import_module(name)
from data_exports import export, export_task
import data_access_layer.formats.export_writer
import data_access_layer.formats.writer as writer
import data_access_layer.stores
from data_access_layer.commit import manifest
from data_access_layer.tables import database, delta, duckdb, objects
import sqlalchemy

steps = []
# Threads that import something run at the same time as the fork: there are none yet.
warnings.simplefilter("error")

def die():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)

def stepping(owner, name, kill_at):
    function = getattr(owner, name)
    def step(*arguments, **options):
        steps.append("before " + name)
        if len(steps) == kill_at:
            die()
        result = function(*arguments, **options)
        steps.append("after " + name)
        if len(steps) == kill_at:
            die()
        return result
    setattr(owner, name, step)

def child(task):
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    for owner, name in [
        (os, "replace"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (os, "rmdir"),
        (shutil, "rmtree"), (writer.TableWriter, "write_batch"), (writer.TableWriter, "close"),
        (delta, "write_deltalake"), (database, "_insert"), (database, "_checksum_rows"),
        (database.DatabaseTable, "_create_table"), (database.DatabaseTable, "_swap_in"),
        (database.DatabaseTable, "_write_manifest"), (sqlalchemy.Connection, "commit"),
        (objects.ObjectFile, "replace_with"), (objects.ObjectFile, "delete"),
        (manifest.Manifest, "announce"), (manifest.Manifest, "write"),
        (duckdb.DuckDBTable, "_replace"), (duckdb.DuckDBTable, "_read_rows"),
    ]:
        stepping(owner, name, task["kill_at"])
    try:
        export.main(task["argv"])
    except SystemExit as left:
        if task["steps"]:
            Path(task["steps"]).write_text(json.dumps(steps))
        os._exit(left.code or 0)
    os._exit(99)

print("ready", flush=True)
for line in sys.stdin:
    task = json.loads(line)
    started = time.monotonic()
    process = os.fork()
    if not process:
        child(task)
    if task["after"] is not None:
        time.sleep(task["after"])
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - started]), flush=True)
"""


@dataclass(frozen=True)
class Exports:
    """Runs exports one after another, each in its own process."""

    to: IO[str]
    back: IO[str]

    def run(
        self,
        *argv: str,
        after: float | None = None,
        kill_at: int | None = None,
        steps: str | None = None,
    ) -> tuple[int, float]:
        """Run one export; return its exit code (or minus the signal) and its seconds.

        It is killed `after` these seconds, or at step number `kill_at`; `steps` is a file to write
        the names of all steps to.
        """
        task = {"argv": argv, "after": after, "kill_at": kill_at, "steps": steps}
        self.to.write(json.dumps(task) + "\n")
        self.to.flush()
        code, seconds = json.loads(self.back.readline())
        return int(code), float(seconds)


@contextmanager
def exports(env: dict[str, str] | None = None) -> Iterator[Exports]:
    """Start a program that runs exports, and end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", ZYGOTE],
        env={"PYTHONPATH": IMPORT_PATH, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield Exports(process.stdin, process.stdout)
        finally:
            process.kill()
