"""Locations of tables, credentials of their stores, and the size of batches."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, field_validator

from cli.safe_text import MASK
from config.settings import Settings
from data_access_layer.locations import refuse_credentials

BATCH_ROWS = 262_144
type BatchRows = Annotated[int, Field(gt=0, description="Rows that are in memory at a time.")]


class StoreSettings(Settings):
    """The location of each table: to move a table to another store, change only these settings.

    Set credentials here and nowhere else, preferably as environment variables:
    `DATASCIENCE_STORES_DATABASE_PASSWORD`, `DATASCIENCE_STORES_S3_SECRET`. If a cloud's are not
    set, those of its own tools are used: environment variables, profiles, the role of the machine.
    Google Cloud Storage always uses those of its own tools.
    """

    section: ClassVar[str] = "stores"

    root: str = Field("data", description="folder or URL of the tables that are not in `tables`")
    tables: dict[str, str] = Field(
        default_factory=dict, description="locations of tables, by the tables' names"
    )
    s3_endpoint_url: str | None = Field(None, description="an S3 server other than AWS")
    s3_key: SecretStr | None = Field(None, description="access key of S3")
    s3_secret: SecretStr | None = Field(None, description="secret key of S3")
    gcs_endpoint_url: str | None = Field(
        None, description="a server other than Google's; over http:// it gets no credentials"
    )
    azure_account: str | None = Field(
        None, description="storage account of places in Azure that name none"
    )
    azure_key: SecretStr | None = Field(None, description="key of that storage account")
    azure_endpoint_url: str | None = Field(None, description="a server other than Azure's")
    database_user: str | None = Field(None, description="user of the databases")
    database_password: SecretStr | None = Field(None, description="password of the databases")
    retries: int = Field(4, ge=0, description="how often to retry after a transient failure")
    retry_seconds: float = Field(
        0.5, ge=0, description="pause before the first retry; it doubles with each retry"
    )
    timeout_seconds: int = Field(10, gt=0, description="how long a store may take to answer")
    write_samples: bool = Field(
        False, description="whether a view writes its sample if its table does not exist"
    )

    def location_of(self, name: str) -> str:
        """The location of the table of that name: in `tables`, else below `root`."""
        return self.tables.get(name, f"{self.root.rstrip('/')}/{name}.parquet")

    def mask_secrets(self, text: str) -> str:
        """The text with the secrets of these settings masked."""
        for secret in (self.s3_key, self.s3_secret, self.azure_key, self.database_password):
            if secret and secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), MASK)
        return text

    @field_validator(
        "root", "tables", "s3_endpoint_url", "gcs_endpoint_url", "azure_endpoint_url", mode="before"
    )
    @classmethod
    def _refuse_credentials(cls, value: Any) -> Any:
        """Refuse credentials here: the error of pydantic would show the value."""
        for location in value.values() if isinstance(value, dict) else [value]:
            refuse_credentials(str(location))
        return value
