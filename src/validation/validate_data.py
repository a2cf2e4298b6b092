"""Validate a data set against its contract, and quarantine the rows that break it.

Examples:
  ./pants run src/validation:validate_data -- --contract flowers --input flowers.csv
  python -m validation.validate_data --contract companies --input filings/ --output checked
  python -m validation.validate_data --contract companies --input s3://bucket/filings

docs/pages/places.md lists what --input can be.

The output is a folder: rows.parquet (valid rows), quarantine/ (invalid rows, each with its file,
row number and reasons), report.html and report.json. If the task fails, the earlier output stays.
Exits with 1 if rows are quarantined, with 2 if the input cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from cli import task
from cli.task import TaskContext
from validation.settings import ValidateDataSettings


def run(settings: ValidateDataSettings, context: TaskContext) -> int:
    """Validate one data set."""
    from validation.validate_data_task import validate_data

    return 0 if validate_data(settings, context) else 1


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    task.main(ValidateDataSettings, run, prog="validation.validate_data", doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
