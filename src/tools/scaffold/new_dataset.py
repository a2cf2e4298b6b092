"""Start a dataset: the contract of a table, with its test, from a sample of rows.

Examples:
  ./pants run src/tools:new-dataset
  ./pants run src/tools:new-dataset -- customers --data customers.csv
  ./pants run src/tools:new-dataset -- customers --dry-run

What --data can be: docs/pages/places.md.

On a terminal, a call without a name asks for all inputs. Without --data, the contract describes a
made-up example. Types, missing values and ranges come from the sample; `grep -rn TODO` finds what
you must decide. No row of the sample is kept. The contract and its test contain the smallest and
the largest value of each column, and all texts of columns with few different ones. Exits with 2 and
writes nothing if the name is taken or the sample cannot be read.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.task import TaskContext
from config.settings import Settings

PROG = "tools.scaffold.new_dataset"


class NewDatasetSettings(Settings):
    """The inputs of a new dataset."""

    section: ClassVar[str] = "new_dataset"

    name: CliPositionalArg[str] = Field("", description="the table's name, in snake_case")
    data: str = Field(
        "", description="a sample: a file, folder, s3://…, gs://…, abfs://…, or table of a database"
    )
    dry_run: bool = Field(False, description="show the files without writing them")


def run(settings: NewDatasetSettings, context: TaskContext) -> int:
    """Start a dataset."""
    from tools.scaffold.example import example_rows
    from tools.scaffold.new_files import check_name, start
    from tools.scaffold.questions import ask, ask_for_table
    from tools.scaffold.sample import read_rows
    from tools.scaffold.table_sample import describe_table
    from tools.scaffold.template import DATASET
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        answers = ask_for_table(settings.data, root, DATASET)
        settings = ask(settings, answers, command="new-dataset -- customers")
    name = settings.name
    check_name(root, DATASET, name)
    rows, source = read_rows(settings.data, lambda: example_rows("regression"))
    sample = describe_table(rows, source=source)
    if start(root, DATASET, name, sample.rows, sample.template_data, dry_run=settings.dry_run):
        _report(name, len(rows), sample.template_data)
    return 0


def _report(name: str, rows: int, data: dict[str, object]) -> None:
    from cli.terminal import say, show
    from tools.scaffold.new_files import say_left_out

    say(f"{name}: written, from {rows:,} rows.")
    say_left_out(data)
    file = f"src/datasets/{name}.py"
    show(f"grep -n TODO {file}")
    show(f"./pants lint check test {file} tests/datasets/{name}_test.py")
    show(f"./pants run src/datasets:contracts -- show {name}")


main = partial(task.main, NewDatasetSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
