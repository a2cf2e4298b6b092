"""Start a feature view: its contract, where its rows are read, a made-up sample and a test.

Examples:
  ./pants run src/tools:new-feature-view
  ./pants run src/tools:new-feature-view -- customer_orders --data orders.csv
  ./pants run src/tools:new-feature-view -- visits --data visits.parquet --key shop,customer_id
  ./pants run src/tools:new-feature-view -- visits --data visits.parquet --timestamp visited_at
  ./pants run src/tools:new-feature-view -- customer_orders --dry-run

What --data can be: docs/pages/places.md.

On a terminal, a call without a name asks for all of it. Without --data the view starts with a
made-up example. Columns that place a row are, where nobody names them: --key the first whose name
ends with _id, else the first; --timestamp `event_timestamp`, else the first that holds moments;
--available `arrived_at`, else none. Types, missing values and ranges are the sample's; `grep -rn
TODO` finds what a person must decide. No row of the sample is kept: rows are made up, within its
ranges, until the settings say where the table lies. Exits with 2 and writes nothing where the name
is taken or the sample cannot be one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.errors import InputError
from cli.task import TaskContext
from config.settings import Settings

if TYPE_CHECKING:
    from tools.scaffold.table_sample import TableSample

PROG = "tools.scaffold.new_feature_view"


class NewFeatureViewSettings(Settings):
    """What to start with."""

    section: ClassVar[str] = "new_feature_view"

    name: CliPositionalArg[str] = Field("", description="the view's name, in snake_case")
    data: str = Field(
        "", description="a sample: a file, folder, s3://…, gs://…, abfs://…, or table of a database"
    )
    key: str = Field(
        "", description="the column that says about whom or what a row is; several as a,b"
    )
    timestamp: str = Field("", description="the column that says when it happened")
    available: str = Field("", description="the column that says when it became known")
    dry_run: bool = Field(False, description="show the files, and write none")

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that `key` names."""
        return tuple(name.strip() for name in self.key.split(",") if name.strip())


def run(settings: NewFeatureViewSettings, context: TaskContext) -> int:
    """Start a feature view, or say why not."""
    from tools.scaffold.new_files import check_name, start
    from tools.scaffold.questions import ask, view_answers
    from tools.scaffold.template import FEATURE_VIEW
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        answers = view_answers(settings, root, FEATURE_VIEW)
        settings = ask(settings, answers, command="new-feature-view -- customer_orders")
    check_name(root, FEATURE_VIEW, settings.name)
    sample = _sample(settings)
    dry_run = settings.dry_run
    if start(root, FEATURE_VIEW, settings.name, sample.rows, sample.answers, dry_run=dry_run):
        _report(settings.name, sample)
    return 0


def _sample(settings: NewFeatureViewSettings) -> TableSample:
    from tools.scaffold.example import example_events
    from tools.scaffold.sample import read_rows
    from tools.scaffold.table_sample import Place, choose_place, describe_view

    place = Place(settings.keys, settings.timestamp, settings.available)
    if not settings.data and place != Place((), ""):
        raise InputError(
            "--key, --timestamp and --available name columns of a sample: name it with --data."
        )
    rows, source = read_rows(settings.data, example_events)
    return describe_view(rows, source=source, place=choose_place(rows, place))


def _report(name: str, sample: TableSample) -> None:
    from cli.terminal import say, show
    from tools.scaffold.new_files import say_left_out

    answers = sample.answers
    known = f", known at {answers['available']}" if answers["available"] else ""
    say(
        f"{name}: written; a row is about {', '.join(answers['keys'])}, at "
        f"{answers['timestamp']}{known}."
    )
    for column in sample.taken_as_utc:
        say(f"The moments of {column!r} have no time zone: taken as UTC.")
    say_left_out(answers)
    view = f"src/feature_store/views/{name}.py"
    files = f"src/datasets/{name}.py {view} src/feature_store/samples/{name}.py"
    show(f"grep -n TODO {files}")
    show(f"./pants lint check test {files} tests/feature_store/{name}_test.py")
    show(f"./pants run src/feature_store:extract -- --view {name} --dst {name}.parquet")


main = partial(task.main, NewFeatureViewSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
