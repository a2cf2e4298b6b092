"""Start a feature view: its contract, the view, made-up rows and a test.

Examples:
  ./pants run src/tools:new-feature-view
  ./pants run src/tools:new-feature-view -- customer_orders --data orders.csv
  ./pants run src/tools:new-feature-view -- visits --data visits.parquet --key shop,customer_id
  ./pants run src/tools:new-feature-view -- visits --data visits.parquet --timestamp visited_at
  ./pants run src/tools:new-feature-view -- customer_orders --dry-run

What --data can be: docs/pages/places.md.

On a terminal, a call without a name asks for all inputs. Without --data, the view starts with a
made-up example. Defaults: --key is the first column whose name ends with _id, otherwise the first
one; --timestamp is `event_timestamp`, otherwise the first column of timestamps; --available is
`arrived_at`, otherwise none. Types, missing values and ranges come from the sample; `grep -rn TODO`
finds what you must decide. No row of the sample is kept. The view uses made-up rows within its
ranges until the settings say where the table is. Exits with 2 and writes nothing if the name is
taken or the sample is not usable.
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
    """The inputs of a new feature view."""

    section: ClassVar[str] = "new_feature_view"

    name: CliPositionalArg[str] = Field("", description="the view's name, in snake_case")
    data: str = Field(
        "", description="a sample: a file, folder, s3://…, gs://…, abfs://…, or table of a database"
    )
    key: str = Field(
        "", description="the column that identifies who or what a row is about; several as a,b"
    )
    timestamp: str = Field("", description="the column that says when it happened")
    available: str = Field("", description="the column that says when it became known")
    dry_run: bool = Field(False, description="show the files without writing them")

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that `key` names."""
        return tuple(name.strip() for name in self.key.split(",") if name.strip())


def run(settings: NewFeatureViewSettings, context: TaskContext) -> int:
    """Start a feature view."""
    from tools.scaffold.new_files import check_name, start
    from tools.scaffold.questions import ask, ask_for_view
    from tools.scaffold.template import FEATURE_VIEW
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        answers = ask_for_view(settings, root, FEATURE_VIEW)
        settings = ask(settings, answers, command="new-feature-view -- customer_orders")
    check_name(root, FEATURE_VIEW, settings.name)
    sample = _sample(settings)
    dry_run = settings.dry_run
    if start(root, FEATURE_VIEW, settings.name, sample.rows, sample.template_data, dry_run=dry_run):
        _report(settings.name, sample)
    return 0


def _sample(settings: NewFeatureViewSettings) -> TableSample:
    from tools.scaffold.example import example_events
    from tools.scaffold.sample import read_rows
    from tools.scaffold.table_sample import RowKey, choose_row_key, describe_view

    given = RowKey(settings.keys, settings.timestamp, settings.available)
    if not settings.data and given != RowKey((), ""):
        raise InputError(
            "--key, --timestamp and --available name columns of a sample. Name the sample with "
            "--data."
        )
    rows, source = read_rows(settings.data, example_events)
    return describe_view(rows, source=source, row_key=choose_row_key(rows, given))


def _report(name: str, sample: TableSample) -> None:
    from cli.terminal import say, show
    from tools.scaffold.new_files import say_left_out

    data = sample.template_data
    known = f", known at {data['available']}" if data["available"] else ""
    say(f"{name}: written. A row is about {', '.join(data['keys'])} at {data['timestamp']}{known}.")
    for column in sample.assumed_utc:
        say(f"The timestamps of {column!r} have no time zone. They are read as UTC.")
    say_left_out(data)
    view = f"src/feature_store/views/{name}.py"
    files = f"src/datasets/{name}.py {view} src/feature_store/samples/{name}.py"
    show(f"grep -n TODO {files}")
    show(f"./pants lint check test {files} tests/feature_store/{name}_test.py")
    show(f"./pants run src/feature_store:extract -- --view {name} --dst {name}.parquet")


main = partial(task.main, NewFeatureViewSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
