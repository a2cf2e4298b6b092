"""Parse locations of tables: a file, an object, a table of a DuckDB file or of a database.

- `data/company.parquet`, `data/company.csv`: a file; without such an ending, a folder of files;
- `s3://bucket/company.parquet`, `gs://bucket/…`, `abfs://container@account.dfs.core.windows.net/…`:
  the same in S3, Google Cloud Storage or Azure;
- `duckdb:///data/all.duckdb#features.company`: a table of a DuckDB file (`////` if absolute);
- `postgresql+psycopg://host/database#features.company`: a table of any SQLAlchemy database.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.errors import InputError
from cli.safe_text import DATABASES, has_credentials

EXAMPLES = (
    "data/company.parquet, s3://bucket/company.parquet, duckdb:///data/all.duckdb#company "
    "or postgresql+psycopg://host/database#company"
)
DUCKDB = "duckdb"
S3 = ("s3", "s3a")
GCS = ("gs", "gcs")
AZURE = ("abfs", "abfss")
OBJECT_STORES = (*S3, *GCS, *AZURE)
AZURE_HOST = "dfs.core.windows.net"


@dataclass(frozen=True)
class FileLocation:
    """A file, or a folder of files, on this machine."""

    path: Path


@dataclass(frozen=True)
class ObjectLocation:
    """An object, or all objects below a prefix, in an object store."""

    url: str
    scheme: str


@dataclass(frozen=True)
class TableLocation:
    """A table of a database, or of a DuckDB file if `scheme` is `duckdb`."""

    scheme: str
    url: str
    schema: str | None
    table: str


type Location = FileLocation | ObjectLocation | TableLocation


def parse_location(location: str) -> Location:
    """Parse `location`.

    Raises:
        InputError: it has credentials in it, an unknown scheme, or a database without a table.
    """
    refuse_credentials(location)
    if not location.strip():
        raise InputError(f"The location of a table is empty; expected e.g. {EXAMPLES}.")
    scheme, separator, rest = location.partition("://")
    if not separator:
        try:
            return FileLocation(Path(location).expanduser())
        except RuntimeError as error:
            raise InputError(
                f"{location}: that user has no home folder. For a file of that name, write "
                f"./{location}."
            ) from error
    scheme = scheme.lower()
    if scheme == "file":
        return FileLocation(Path("/" + rest.lstrip("/")))
    if scheme == DUCKDB or scheme.partition("+")[0] in DATABASES:
        url, _, table = location.partition("#")
        return TableLocation(scheme, url, *_parse_table_name(table, location))
    if scheme not in OBJECT_STORES:
        raise InputError(
            f"{location}: unknown scheme {scheme}://. Expected a file or folder on this "
            f"machine, {', '.join(f'{known}://' for known in OBJECT_STORES)}, {DUCKDB}://, or the "
            f"URL of a database: {', '.join(sorted(DATABASES))}."
        )
    return ObjectLocation(location, scheme)


def _parse_table_name(name: str, location: str) -> tuple[str | None, str]:
    parts = name.split(".")
    if len(parts) > 2 or not all(parts):
        raise InputError(
            f"{location}: does not name a table of the database; add #table or #schema.table."
        )
    return (parts[0] if len(parts) == 2 else None), parts[-1]


def refuse_credentials(location: str) -> None:
    """Refuse a location with credentials in it, without repeating them.

    Raises:
        InputError: the location has credentials in it.
    """
    if has_credentials(location):
        scheme = location.partition(":")[0]
        raise InputError(
            f"A location that starts with {scheme}: has credentials in it, which logs would "
            "show. Remove them, and set [stores] database_user and "
            "DATASCIENCE_STORES_DATABASE_PASSWORD, DATASCIENCE_STORES_S3_KEY and "
            "DATASCIENCE_STORES_S3_SECRET, or DATASCIENCE_STORES_AZURE_KEY."
        )
