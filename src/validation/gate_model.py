r"""Judge a model by its predictions: limits, and the gain over the champion with an interval.

Examples:
  python -m validation.gate_model --challenger new.parquet --champion now.parquet \
    --truth truth.parquet --target species --metric accuracy
  python -m validation.gate_model --challenger new.csv --truth truth.csv --target y \
    --metric rmse --at-most 60 --key id --report s3://bucket/verdict.json

docs/pages/places.md lists what --challenger, --champion and --truth can be.

The gain's interval is a paired percentile bootstrap: both models on the same resampled rows.
Exits with 1 if the challenger fails the gate, with 2 if the tables do not match.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from cli import task
from cli.task import TaskContext
from validation.settings import GateModelSettings


def run(settings: GateModelSettings, context: TaskContext) -> int:
    """Judge one model by its predictions."""
    from validation.gate_model_task import gate_model

    return 0 if gate_model(settings, context) else 1


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    task.main(GateModelSettings, run, prog="validation.gate_model", doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
