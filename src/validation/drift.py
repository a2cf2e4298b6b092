"""Compare two data sets column by column, and report which columns have drifted.

Examples:
  ./pants run src/validation:drift -- --reference last_year.parquet --current now.parquet
  python -m validation.drift --reference a/ --current s3://bucket/b.csv --fail-on-drift

docs/pages/places.md lists what --reference and --current can be.

A column has drifted if its p-value (corrected for the number of columns) is below --alpha and its
population stability index is at least --psi. The output is a folder with report.html and
report.json. Exits with 0 even if columns have drifted, because timestamps and counters always do;
with --fail-on-drift, exits with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from cli import task
from cli.task import TaskContext
from validation.settings import DriftSettings


def run(settings: DriftSettings, context: TaskContext) -> int:
    """Compare two data sets."""
    from cli.terminal import say
    from validation.drift_task import drift

    if not drift(settings, context):
        return 0
    if not settings.fail_on_drift:
        say("The exit code is 0; with --fail-on-drift it is 1.")
    return 1 if settings.fail_on_drift else 0


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    task.main(DriftSettings, run, prog="validation.drift", doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
