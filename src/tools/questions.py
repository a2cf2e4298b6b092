"""What a new model needs to know, asked for one by one on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.prompt import Prompt

from config.errors import InputError
from config.terminal import say
from tools.model_files import check_name
from tools.sample import choose_target, read_sample

if TYPE_CHECKING:
    from tools.new_model import NewModelSettings


def ask(settings: NewModelSettings, root: Path) -> NewModelSettings:
    """The settings with what a person answers; an answer that is refused is asked for again.

    Raises:
        InputError: there is no terminal, so nobody to ask, or the answers end too early.
    """
    if not sys.stdin.isatty():
        raise InputError("Name the model: e.g. ./pants run src/tools:new-model -- churn --help")
    try:
        return settings.model_copy(update=_answers(settings, root))
    except EOFError:
        raise InputError("The answers ended before all was asked; nothing is written.") from None


def _answers(settings: NewModelSettings, root: Path) -> dict[str, object]:
    name = _asked("Name of the model, in snake_case", lambda name: check_name(root, name))
    kind = settings.kind or Prompt.ask(
        "What is the label", choices=["classification", "regression"], default="classification"
    )
    data = settings.data or _asked(
        "A sample with labels: a CSV, Parquet or JSON Lines file (empty: a made-up example)",
        lambda data: data and read_sample(Path(data)),
    )
    given: dict[str, object] = {"name": name, "kind": kind, "data": data}
    if data:
        columns = [str(column) for column in read_sample(Path(data)).columns]
        given["target"] = settings.target or Prompt.ask(
            "The column that is the label", choices=columns, default=choose_target(columns, name)
        )
        given["id"] = settings.id or Prompt.ask(
            "The column that identifies what a row is about (empty: none)",
            choices=["", *columns],
            default="",
            show_choices=False,
        )
    return given


def _asked(question: str, check: Callable[[str], object]) -> str:
    while True:
        answer = Prompt.ask(question, default="", show_default=False).strip()
        try:
            check(answer)
        except InputError as error:
            say(str(error))
        else:
            return answer
