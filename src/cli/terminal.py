"""Terminal output of a task: messages, tables, progress; colour only on a terminal.

Output may contain names and values that somebody else chose. Rich does not interpret markup in
them, and `cli.safe_text` masks secrets and escapes control characters.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.prompt import Confirm, Prompt
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.safe_text import on_one_line, safe

# If standard error is not a terminal, progress is a line from time to time.
SECONDS_BETWEEN_LINES = 10.0
SECONDS_BEFORE_PROGRESS = 1.0
# Output that is not a terminal has no window width to fit.
WIDTH_OF_A_FILE = 160


def say(message: str) -> None:
    """Print a message on standard error."""
    Console(stderr=True, soft_wrap=True).print(Text(safe(message)))


def show(text: str = "", *, bold: bool = False) -> None:
    """Print a result on standard output."""
    Console(soft_wrap=True).print(Text(safe(text), style="bold" if bold else ""))


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    notes: Iterable[str] = (),
    of_texts: bool = False,
    stderr: bool = False,
) -> None:
    """Print a small table with notes above it.

    The first column has names, the others numbers. With `of_texts`, all columns are text and the
    last one takes the rest of the line.
    """
    table = Table(box=SIMPLE_HEAD, show_header=any(columns))
    for number, name in enumerate(columns):
        is_last = number == len(columns) - 1
        table.add_column(
            cell(name),
            justify="right" if number and not of_texts else "left",
            overflow="fold",
            ratio=1 if of_texts and is_last else None,
        )
    for row in rows:
        table.add_row(*map(cell, row))
    console = Console(stderr=stderr)
    if of_texts and not console.is_terminal:
        console = Console(stderr=stderr, width=WIDTH_OF_A_FILE)
    console.print(Text(safe(title), style="bold"))
    for note in notes:
        console.print(Text(safe(note)))
    console.print(table)


def show_tree(paths: Iterable[PurePath]) -> None:
    """Print relative paths as a tree."""
    trees = {PurePath(): Tree(".")}
    for path in sorted(paths):
        trees[path] = trees[path.parent].add(cell(path.name))
    Console().print(trees[PurePath()])


def prompt(question: str, **options: Any) -> str:
    """Ask the user a question; `options` are those of rich's `Prompt`."""
    return str(Prompt.ask(Text(safe(question)), **options))


def confirm(question: str) -> bool:
    """Ask the user yes or no; the default is no."""
    return Confirm.ask(Text(safe(question)), default=False)


def cell(text: str) -> Text:
    """A table cell, on one line."""
    return Text(on_one_line(text))


def with_progress[T](
    items: Iterable[tuple[int, T]], total: int | None, *, what: str, unit: str = "rows"
) -> Iterator[T]:
    """Yield the second of each pair, and show the sum of the first ones as progress."""
    console = Console(stderr=True)
    shown = console.is_terminal
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} {unit}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not shown,
    )
    started = last_line = time.monotonic()
    task = progress.add_task(on_one_line(what), total=total)
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
