"""What a task shows: tables at its end, progress while it works, colour only on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

# Where standard error is no terminal, a line now and then shows that the work goes on.
SECONDS_BETWEEN_LINES = 10.0
SECONDS_BEFORE_PROGRESS = 1.0


def say(message: str) -> None:
    """One line about what happens, on standard error."""
    Console(stderr=True, soft_wrap=True).print(printable(message), highlight=False, markup=False)


def printable(text: str) -> str:
    r"""The text with what is not UTF-8, such as a byte of a file's name, as an escape: \udcff."""
    return text.encode("utf-8", "backslashreplace").decode()


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    stderr: bool = False,
) -> None:
    """A small table on standard output, or on standard error."""
    table = Table(box=SIMPLE_HEAD, show_header=any(columns))
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(stderr=stderr)
    console.print(printable(title), style="bold", highlight=False, markup=False)
    console.print(table)


def with_progress[T](
    items: Iterable[tuple[int, T]], total: int | None, *, what: str, unit: str = "rows"
) -> Iterator[T]:
    """Yield the second of each pair, and show the sum of the first ones as units that are done."""
    console = Console(stderr=True)
    shown = console.is_terminal
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} {unit}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not shown,
    )
    started = last_line = time.monotonic()
    task = progress.add_task(what, total=total)
    done = 0
    try:
        for rows, item in items:
            yield item
            done += rows
            progress.update(task, completed=done)
            now = time.monotonic()
            if shown and not progress.live.is_started and now - started > SECONDS_BEFORE_PROGRESS:
                progress.start()
            if not shown and now - last_line > SECONDS_BETWEEN_LINES:
                say(f"{what}: {done:,} {unit}" + (f" of {total:,}" if total else ""))
                last_line = now
    finally:
        progress.stop()
