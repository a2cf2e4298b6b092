"""Check that an exported table, or predictions, match their manifest.

Examples:
  python -m data_exports.verify --table rows.csv
  python -m data_exports.verify --table rows.delta
  python -m data_exports.verify --table s3://bucket/rows.parquet
  python -m data_exports.verify --table "postgresql+psycopg://host/db#public.company"

docs/pages/places.md lists what --table can be.

Exits with 1 if the table does not match its manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from cli import task
from data_exports.settings import VerifySettings

if TYPE_CHECKING:
    from cli.task import TaskContext


def run(settings: VerifySettings, context: TaskContext) -> int:
    """Verify one table and print its manifest."""
    from data_exports.verify_task import verify_and_show

    verify_and_show(settings, context)
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The command line."""
    task.main(VerifySettings, run, prog="data_exports.verify", doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
