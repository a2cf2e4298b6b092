"""Hold a data set against its contract; quarantine the rows that break it, with their reasons.

Examples:
  ./pants run src/validation:validate_data -- --contract flowers --input flowers.csv
  python -m validation.validate_data --contract companies --input filings/ --output checked
  python -m validation.validate_data --contract companies --input s3://bucket/filings

What --input can be: docs/pages/places.md.

The output is a folder: rows.parquet (what keeps the contract), quarantine/ (what breaks it, each
row with its file, number and reasons), report.html and report.json. It appears whole or not at all.
Exits with 1 where a row is quarantined, with 2 where the input cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from cli import task
from cli.task import TaskContext
from validation.settings import ValidateDataSettings


def run(settings: ValidateDataSettings, context: TaskContext) -> int:
    """Check one data set."""
    from validation.validate_data_task import validate_data

    return 0 if validate_data(settings, context) else 1


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """The command line."""
    task.main(ValidateDataSettings, run, prog="validation.validate_data", doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
