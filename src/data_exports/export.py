"""Export a table: to Parquet, CSV, JSON Lines, Excel, Delta Lake or a database, with its manifest.

Examples:
  python -m data_exports.export --src rows.parquet --dst rows.csv
  python -m data_exports.export --src predictions/iris.parquet --dst iris.xlsx --columns species
  python -m data_exports.export --src rows/ --dst rows.delta
  python -m data_exports.export --src company --dst "postgresql+psycopg://host/db#public.company"
  python -m data_exports.export --src s3://bucket/rows --dst "duckdb:///all.duckdb#company"
  cat rows.csv | python -m data_exports.export --src - --dst rows.jsonl

docs/pages/places.md lists what --src and --dst can be.

The destination is replaced as a whole, at the end. A run that is killed leaves it unchanged; the
next run cleans up. Exports are reproducible: the same rows give the same bytes.
`data_exports.verify` compares a table with its manifest. Exits with 2 if the input or an option is
wrong, and 1 if the export failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from cli import task
from data_exports.settings import ExportSettings

if TYPE_CHECKING:
    from cli.task import TaskContext


def run(settings: ExportSettings, context: TaskContext) -> int:
    """Export one table and print a summary."""
    from data_exports.export_task import export

    export(settings, context)
    return 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The command line."""
    task.main(ExportSettings, run, prog="data_exports.export", doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
