"""The declaration of a model's DAG, and the messages about mistakes in it."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

import jinja2
from croniter import CroniterBadDateError, croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from cli.errors import InputError
from cli.safe_text import holds_secret, is_secret_name

FILE = "dag.toml"
PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
# The number of minutes, hours, days of a month, months and days of a week.
CRON_SIZES = (60, 24, 31, 12, 7)
_RANDOM = re.compile(r"[hr](\W|$)", re.IGNORECASE)
_ONE_VALUE_RANGE = re.compile(r"\b(\w+)-\1\b")
_STEP = re.compile(r"/(\d+)")
_PLACE = re.compile(r"\{\{\s*(?P<table>inputs|outputs)\.(?P<name>\w+)\s*\}\}")
_RENDERED = re.compile(r"\{\{.*?\}\}")
_SECRET = (
    "expected no secret, because everyone can read this file: put the variable into a Kubernetes "
    "secret, and add the name of that secret to `secrets`"
)


def _check_cron(schedule: str) -> str:
    problem = None if schedule in PRESETS else _cron_problem(schedule)
    if problem is not None:
        raise ValueError(
            f"expected five cron fields{problem}, such as "
            f'"30 4 * * 1" (Mondays at 4:30), or one of {", ".join(PRESETS)}'
        )
    return schedule


def _cron_problem(schedule: str) -> str | None:
    """What else is expected of the five fields; None if the schedule is valid.

    croniter, which Airflow uses, also accepts schedules that run at unexpected times: more fields
    (seconds and years), random times, steps longer than their range, and days that do not exist.
    """
    fields = schedule.split()
    if len(fields) != len(CRON_SIZES) or not croniter.is_valid(schedule):
        return ""
    for field, size in zip(fields, CRON_SIZES, strict=True):
        if _RANDOM.match(field):
            return f", none of them random, unlike {field!r}"
        if _ONE_VALUE_RANGE.search(field):
            return f", with ranges of two different values, unlike {field!r}"
        if any(int(step) > size for step in _STEP.findall(field)):
            return f", with a step of at most {size}, unlike {field!r}"
    try:
        croniter(schedule, datetime.datetime(2000, 1, 1)).get_next()
    except CroniterBadDateError:
        return " that match an existing day"
    return None


def _check_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError('expected the name of a time zone, such as "Europe/Berlin" or "UTC"')
    return name


def _check_template(text: str) -> str:
    # Everyone can also read rendered templates.
    if holds_secret(_RENDERED.sub("rendered", text)):
        raise ValueError(_SECRET)
    try:
        jinja2.Environment(autoescape=False).parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"expected a valid Jinja2 template: {error.message}") from error
    return text


def _check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
        raise ValueError("expected the name of an environment variable: A to Z, 0 to 9 and _")
    if is_secret_name(name):
        raise ValueError(_SECRET)
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Template = Annotated[str, AfterValidator(_check_template)]
Environment = dict[Annotated[str, AfterValidator(_check_variable)], Template]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Resources(_Table):
    """The CPU and memory of a task, as request and as limit."""

    cpu: float = Field(1, gt=0)
    memory: str = Field("2Gi", pattern=r"^[1-9][0-9]*(Mi|Gi)$")


class Alerts(_Table):
    """Who gets a message when a task has failed after its last retry."""

    emails: list[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]] = []


class Task(_Table):
    """One task: a module, and its command-line options."""

    module: str = Field("", pattern=r"^[a-z][a-z0-9_.]*$")
    after: list[Name] = []
    options: dict[str, Template | bool | int | float] = {}
    environment: Environment = {}
    resources: Resources | None = None
    retries: int | None = Field(None, ge=0)
    retry_delay_minutes: float | None = Field(None, ge=0)
    timeout_minutes: float | None = Field(None, gt=0)


class Declaration(_Table):
    """One model's DAG. Airflow renders strings as Jinja2 templates in each run."""

    description: str = ""
    schedule: Annotated[str, AfterValidator(_check_cron)] | None = None
    timezone: Annotated[str, AfterValidator(_check_time_zone)] = "UTC"
    start_date: datetime.date
    owner: str = Field(min_length=1)
    tags: list[str] = []
    retries: int = Field(2, ge=0)
    retry_delay_minutes: float = Field(5, ge=0)
    timeout_minutes: float = Field(120, gt=0)
    alerts: Alerts = Alerts()
    resources: Resources = Resources()
    inputs: dict[Name, Template] = {}
    outputs: dict[Name, Template] = {}
    environment: Environment = {}
    secrets: list[str] = []
    tasks: dict[Name, Task] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for name, task in self.tasks.items():
            for before in task.after:
                if before not in self.tasks:
                    raise ValueError(
                        f"tasks.{name}.after: there is no task {before!r}"
                        f"{_hint(before, self.tasks)}"
                    )
            for option, value in task.options.items():
                if isinstance(value, str):
                    self._check_places(f"tasks.{name}.options.{option}", value)
        try:
            TopologicalSorter({name: task.after for name, task in self.tasks.items()}).prepare()
        except CycleError as error:
            raise ValueError(
                f"tasks: they wait for each other: {' → '.join(error.args[1])}"
            ) from None
        return self

    def _check_places(self, key: str, text: str) -> None:
        for place in _PLACE.finditer(text):
            known = self.inputs if place["table"] == "inputs" else self.outputs
            if place["name"] not in known:
                raise ValueError(
                    f"{key}: there is no {place['name']!r} in [{place['table']}]"
                    f"{_hint(place['name'], known)}"
                )

    def with_places(self, text: str, root: str = "") -> str:
        """Replace `{{ inputs.… }}` and `{{ outputs.… }}` in a template by their places.

        Relative places are below `root`, a folder or a location such as s3://bucket/prefix.
        """
        places = {"inputs": self.inputs, "outputs": self.outputs}

        def place(found: re.Match[str]) -> str:
            declared = places[found["table"]][found["name"]]
            is_relative = "://" not in declared and not declared.startswith("/")
            return f"{root.rstrip('/')}/{declared}" if root and is_relative else declared

        return _PLACE.sub(place, text)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a declaration.

        Raises:
            InputError: the file cannot be read, or keys are wrong; names all of them.
        """
        shown = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{shown}: cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise InputError(f"{shown}: not a TOML file: {error}.") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problems = "\n".join(f"{shown}: {problem}." for problem in _problems(cls, error))
            raise InputError(problems) from None


def _problems(declaration: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """A line for each wrong key; for a union, the problem with its first type."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False):
        # pydantic adds the type of a union, and a marker for keys, to the path.
        path = [str(part) for part in one["loc"] if part not in ("str", "bool", "int", "float")]
        path = [part for part in path if part != "[key]" and not part.startswith("function-")]
        key = ".".join(path)
        found.setdefault(key, _problem(declaration, path, dict(one)))
    return (f"{key}: {problem}" if key else problem for key, problem in found.items())


def _problem(declaration: type[BaseModel], path: list[str], error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"unknown key{_hint(path[-1], _known_keys(declaration, path[:-1]))}"
    if error["type"] == "missing":
        return "is missing, and has no default"
    if not path or message == _SECRET:
        return message
    return f"{message[:1].lower()}{message[1:]}, got {error['input']!r}"


def _known_keys(declaration: type[BaseModel], path: Iterable[str]) -> Iterable[str]:
    tables: dict[str, type[BaseModel]] = {"alerts": Alerts, "resources": Resources, "tasks": Task}
    table = declaration
    for part in path:
        table = tables.get(part, table)
    return table.model_fields


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names) or 'none'}"
