"""Start a model: its package, contracts, tests and model card, from a sample of labelled rows.

Examples:
  ./pants run src/tools:new-model
  ./pants run src/tools:new-model -- churn --kind classification --data customers.csv
  ./pants run src/tools:new-model -- rent --kind regression --data flats.parquet --target eur
  ./pants run src/tools:new-model -- rent --kind regression --dry-run

What --data can be: docs/pages/places.md.

On a terminal, a call without a name asks for all inputs. Without --data, the model starts with a
made-up example. By default, --target is the column with the model's name, otherwise the last one.
Types, missing values and ranges come from the sample; `grep -rn TODO` finds what you must decide.
The model keeps about 1,000 rows of the sample at most, in git: make sure that this is allowed.
Exits with 2 and writes nothing if the name is taken or a model cannot learn from the sample.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.errors import InputError
from cli.task import TaskContext
from config.settings import Settings

if TYPE_CHECKING:
    from tools.scaffold.sample import Kind, Sample

PROG = "tools.scaffold.new_model"
KINDS: tuple[Kind, ...] = ("classification", "regression")


class NewModelSettings(Settings):
    """The inputs of a new model."""

    section: ClassVar[str] = "new_model"

    name: CliPositionalArg[str] = Field("", description="the model's name, in snake_case")
    kind: Literal["classification", "regression"] | None = Field(
        None, description="the kind of label: a class or a number"
    )
    data: str = Field(
        "", description="a sample: a file, folder, s3://…, gs://…, abfs://…, or table of a database"
    )
    target: str = Field("", description="the column with the label")
    id: str = Field(
        "",
        description="the column that identifies what a row is about; rows with the same value stay "
        "on one side of every split",
    )
    dry_run: bool = Field(False, description="show the files without writing them")


def run(settings: NewModelSettings, context: TaskContext) -> int:
    """Start a model."""
    from tools.scaffold.new_files import check_name, start
    from tools.scaffold.questions import ask, ask_for_model
    from tools.scaffold.template import MODEL
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        settings = ask(settings, ask_for_model(settings, root), command="new-model -- churn")
    check_name(root, MODEL, settings.name)
    sample = _sample(settings)
    dry_run = settings.dry_run
    if start(root, MODEL, settings.name, sample.rows, sample.template_data, dry_run=dry_run):
        _report(settings.name, sample)
    return 0


def _sample(settings: NewModelSettings) -> Sample:
    from tools.scaffold.example import example_rows
    from tools.scaffold.sample import choose_target, describe_sample, read_sample

    kind = settings.kind
    if kind is None:
        raise InputError(f"--kind is missing. Expected the kind of label: {' or '.join(KINDS)}.")
    if not settings.data:
        if settings.target or settings.id:
            raise InputError(
                "--target and --id name columns of a sample. Name the sample with --data."
            )
        rows = example_rows(kind)
        target = str(rows.columns[-1])
        return describe_sample(
            rows, source="the example", kind=kind, target=target, identifier="customer_id"
        )
    rows = read_sample(settings.data)
    target = settings.target or choose_target([str(name) for name in rows.columns], settings.name)
    if kind == "classification" and target in rows:
        # Classes are read as strings: 01 is not 1, and `yes` is not true.
        rows = read_sample(settings.data, [target])
    return describe_sample(
        rows, source=settings.data, kind=kind, target=target, identifier=settings.id
    )


def _report(name: str, sample: Sample) -> None:
    from cli.terminal import say, show
    from tools.scaffold.new_files import say_left_out

    say(
        f"{name}: written, with {len(sample.rows):,} of {sample.total:,} rows; "
        f"the label is {sample.target!r}."
    )
    if sample.unlabelled:
        say(f"Left out: {sample.unlabelled:,} rows without a label.")
    say_left_out(sample.template_data)
    show(f"grep -rn TODO src/models/{name} src/datasets/{name}.py")
    show(
        f"./pants lint check test src/models/{name}:: src/datasets/{name}.py tests/models/{name}::"
    )
    show(f"./pants run src/models/{name}:train")
    show(f"./pants run src/models/{name}:predict")


main = partial(task.main, NewModelSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
