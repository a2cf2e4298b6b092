"""Where tables are, what opens their stores, and how many rows are read at a time."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr, field_validator

from cli.safe_text import MASK
from config.settings import Settings
from data_access_layer.locations import refuse_credentials

BATCH_ROWS = 262_144
type BatchRows = Annotated[int, Field(gt=0, description="Rows that are in memory at a time.")]


class StoreSettings(Settings):
    """Where each table lies; a table moves to another store by a change of these alone.

    Credentials are here and nowhere else, best as environment variables:
    `DATASCIENCE_STORES_DATABASE_PASSWORD`, `DATASCIENCE_STORES_S3_SECRET`. Where those of a cloud
    are not set, its own tools' are used: environment variables, profiles, the role of the machine.
    For Google Cloud Storage there are no others.
    """

    section: ClassVar[str] = "stores"

    root: str = Field(
        "data", description="folder or URL where tables without a location of their own lie"
    )
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
    retries: int = Field(4, ge=0, description="how often a transient fault is tried again")
    retry_seconds: float = Field(
        0.5, ge=0, description="pause before the first further try; it doubles from then on"
    )
    timeout_seconds: int = Field(10, gt=0, description="how long a store may take to answer")
    write_samples: bool = Field(
        False, description="whether a view writes its sample where no table is"
    )

    def location_of(self, name: str) -> str:
        """Where the table of that name is: as `tables` says, else below `root`."""
        return self.tables.get(name, f"{self.root.rstrip('/')}/{name}.parquet")

    def mask_secrets(self, text: str) -> str:
        """The text without a secret of these settings."""
        for secret in (self.s3_key, self.s3_secret, self.azure_key, self.database_password):
            if secret and secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), MASK)
        return text

    @field_validator(
        "root", "tables", "s3_endpoint_url", "gcs_endpoint_url", "azure_endpoint_url", mode="before"
    )
    @classmethod
    def _refuse_credentials(cls, value: Any) -> Any:
        """Refused here, with an error of ours: what pydantic raises would show the value."""
        for location in value.values() if isinstance(value, dict) else [value]:
            refuse_credentials(str(location))
        return value
