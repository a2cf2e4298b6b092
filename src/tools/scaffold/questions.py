"""What something new needs to know, asked for one by one on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError
from cli.terminal import prompt, say
from config.settings import Settings
from tools.scaffold.new_files import check_name
from tools.scaffold.sample import choose_target, read_sample
from tools.scaffold.table_sample import Place, choose_place
from tools.scaffold.template import MODEL, Template

if TYPE_CHECKING:
    from tools.scaffold.new_feature_view import NewFeatureViewSettings
    from tools.scaffold.new_model import NewModelSettings

type Answered = Iterator[tuple[str, object]]
type HasData = NewModelSettings | NewFeatureViewSettings


def ask[S: Settings](settings: S, answers: Answered, *, command: str) -> S:
    """The settings with what a person answers; an answer that is refused is asked for again.

    Raises:
        InputError: there is no terminal, so nobody to ask, or the answers end too early.
    """
    if not sys.stdin.isatty():
        raise InputError(f"Name what to start: e.g. ./pants run src/tools:{command}")
    try:
        return settings.model_copy(update=dict(answers))
    except EOFError:
        raise InputError("The answers ended before all was asked; nothing is written.") from None


def model_answers(settings: NewModelSettings, root: Path) -> Answered:
    """What a new model needs to know."""
    name = _name(root, MODEL)
    yield "name", name
    yield (
        "kind",
        settings.kind
        or prompt(
            "What is the label", choices=["classification", "regression"], default="classification"
        ),
    )
    data = settings.data or _data("A sample with labels")
    yield "data", data
    if data:
        columns = _columns(data)
        yield (
            "target",
            settings.target
            or _column("The column that is the label", columns, choose_target(columns, name)),
        )
        yield (
            "id",
            settings.id
            or _column("The column that identifies what a row is about", columns, optional=True),
        )


def table_answers(data: str, root: Path, template: Template) -> Answered:
    """What a new dataset needs to know, and a feature view first of all."""
    yield "name", _name(root, template)
    yield "data", data or _data("A sample of rows")


def view_answers(settings: NewFeatureViewSettings, root: Path, template: Template) -> Answered:
    """What a new feature view needs to know."""
    given = dict(table_answers(settings.data, root, template))
    yield from given.items()
    if data := str(given["data"]):
        rows = read_sample(data)
        columns = [str(column) for column in rows.columns]
        place = choose_place(rows, Place(settings.keys, settings.timestamp, settings.available))
        yield (
            "key",
            settings.key
            or _column("The column that says about whom a row is", columns, *place.keys[:1]),
        )
        yield (
            "timestamp",
            settings.timestamp
            or _column("The column that says when it happened", columns, place.timestamp),
        )
        yield (
            "available",
            settings.available
            or _column(
                "The column that says when it became known", columns, place.available, optional=True
            ),
        )


def _name(root: Path, template: Template) -> str:
    return _asked(
        f"Name of {template.kind.replace('a ', 'the ')}, in snake_case",
        lambda name: check_name(root, template, name),
    )


def _data(what: str) -> str:
    return _asked(
        f"{what}: a CSV, Parquet or JSON Lines file (empty: a made-up example)",
        lambda data: data and read_sample(data),
    )


def _columns(data: str) -> list[str]:
    return [str(column) for column in read_sample(data).columns]


def _column(question: str, columns: list[str], default: str = "", *, optional: bool = False) -> str:
    if optional:
        return prompt(
            f"{question} (empty: none)",
            choices=["", *columns],
            default=default,
            show_choices=False,
        )
    return prompt(question, choices=columns, default=default or columns[0])


def _asked(question: str, check: Callable[[str], object]) -> str:
    while True:
        answer = prompt(question, default="", show_default=False).strip()
        try:
            check(answer)
        except InputError as error:
            say(str(error))
        else:
            return answer
