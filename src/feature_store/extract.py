"""Extract a feature view to a file, validated and with a manifest.

Examples:
  ./pants run src/feature_store:extract -- --view company --dst companies.parquet
  python -m feature_store.extract --view company --dst 2025.parquet --as-of 2025-01-01
  python -m feature_store.extract --view company --dst nl.csv --filter 'country in ("NL", "BE")'
  python -m feature_store.extract --view company --dst s3://bucket/companies.parquet

For the values of --dst, see docs/pages/places.md.

--filter takes comparisons (==, !=, <, <=, >, >=, in, not in, is None, is not None), joined by and,
or, not. --as-of takes a date (its 00:00 UTC) or a time with its offset, and extracts the latest row
of each entity that had happened and arrived by then. Exits with 2 if a column, the filter or the
timestamp is invalid, or if rows break the view's contract; an existing file then stays unchanged.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from typing import NoReturn

import feature_store.views
from cli import task
from cli.task import TaskContext
from feature_store.settings import ExtractSettings


def view_names() -> list[str]:
    """The names of the packaged feature views."""
    return sorted(module.name for module in pkgutil.iter_modules(feature_store.views.__path__))


def run(settings: ExtractSettings, context: TaskContext) -> int:
    """Extract one view and print a summary."""
    from feature_store.extract_task import extract

    extract(context.choices["view"], settings, context)
    return 0


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    task.main(
        ExtractSettings,
        run,
        prog="feature_store.extract",
        doc=__doc__,
        argv=argv,
        choices={"view": view_names},
    )


if __name__ == "__main__":
    main()
