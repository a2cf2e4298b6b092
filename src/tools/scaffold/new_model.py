"""Start a model: its package, contracts, tests and model card, from a sample of labelled rows.

Examples:
  ./pants run src/tools:new-model
  ./pants run src/tools:new-model -- churn --kind classification --data customers.csv
  ./pants run src/tools:new-model -- rent --kind regression --data flats.parquet --target eur
  ./pants run src/tools:new-model -- rent --kind regression --dry-run

What --data can be: docs/pages/places.md.

On a terminal, a call without a name asks for all of it. Without --data the model starts with a
made-up example. The label is --target; by default the column with the model's name, else the last.
Types, missing values and ranges are the sample's; `grep -rn TODO` finds what a person must decide.
About 1,000 rows of the sample, at most, are kept with the model, in git: be sure that they may be.
Exits with 2 and writes nothing where the name is taken or nothing can be learnt from the sample.
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
    """What to start with."""

    section: ClassVar[str] = "new_model"

    name: CliPositionalArg[str] = Field("", description="the model's name, in snake_case")
    kind: Literal["classification", "regression"] | None = Field(
        None, description="what the label is: a class or a number"
    )
    data: str = Field(
        "", description="a sample: a file, folder, s3://…, gs://…, abfs://…, or table of a database"
    )
    target: str = Field("", description="the column that is the label")
    id: str = Field(
        "",
        description="the column that identifies what a row is about; where it repeats, its rows "
        "stay on one side of every split",
    )
    dry_run: bool = Field(False, description="show the files, and write none")


def run(settings: NewModelSettings, context: TaskContext) -> int:
    """Start a model, or say why not."""
    from tools.scaffold.new_files import check_name, start
    from tools.scaffold.questions import ask, model_answers
    from tools.scaffold.template import MODEL
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        settings = ask(settings, model_answers(settings, root), command="new-model -- churn")
    check_name(root, MODEL, settings.name)
    sample = _sample(settings)
    dry_run = settings.dry_run
    if start(root, MODEL, settings.name, sample.rows, sample.answers, dry_run=dry_run):
        _report(settings.name, sample)
    return 0


def _sample(settings: NewModelSettings) -> Sample:
    from tools.scaffold.example import example_rows
    from tools.scaffold.sample import choose_target, describe, read_sample

    kind = settings.kind
    if kind is None:
        raise InputError(f"--kind: say what the label is: {' or '.join(KINDS)}.")
    if not settings.data:
        if settings.target or settings.id:
            raise InputError("--target and --id name columns of a sample: name it with --data.")
        rows = example_rows(kind)
        target = str(rows.columns[-1])
        return describe(
            rows, source="the example", kind=kind, target=target, identifier="customer_id"
        )
    rows = read_sample(settings.data)
    target = settings.target or choose_target([str(name) for name in rows.columns], settings.name)
    if kind == "classification" and target in rows:
        # A class is what stands there: 01 is not 1, and `yes` is no truth value.
        rows = read_sample(settings.data, [target])
    return describe(rows, source=settings.data, kind=kind, target=target, identifier=settings.id)


def _report(name: str, sample: Sample) -> None:
    from cli.terminal import say, show
    from tools.scaffold.new_files import say_left_out

    say(
        f"{name}: written, with {len(sample.rows):,} of {sample.total:,} rows; "
        f"the label is {sample.target!r}."
    )
    if sample.unlabelled:
        say(f"Left out: {sample.unlabelled:,} rows without a label.")
    say_left_out(sample.answers)
    show(f"grep -rn TODO src/models/{name} src/datasets/{name}.py")
    show(
        f"./pants lint check test src/models/{name}:: src/datasets/{name}.py tests/models/{name}::"
    )
    show(f"./pants run src/models/{name}:train")
    show(f"./pants run src/models/{name}:predict")


main = partial(task.main, NewModelSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
