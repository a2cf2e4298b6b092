from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cli.errors import InputError, UserError
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.objects import ObjectFile

KEY = "cGxhbnRlZC1rZXk="  # pragma: allowlist secret


def test_a_place_in_azure_without_an_account_says_both_ways_to_name_it() -> None:
    with pytest.raises(InputError) as raised:
        ObjectFile("abfs://box/a.csv", StoreSettings()).size()
    assert str(raised.value) == (
        "abfs://box/a.csv: names no storage account. Write "
        "abfs://container@ACCOUNT.dfs.core.windows.net/…, or set DATASCIENCE_STORES_AZURE_ACCOUNT."
    )


def test_a_place_in_azure_on_another_server_says_where_that_is_set() -> None:
    with pytest.raises(InputError, match="DATASCIENCE_STORES_AZURE_ENDPOINT_URL"):
        ObjectFile("abfs://box@lake.example.com/a.csv", StoreSettings()).size()


def test_the_key_of_an_account_is_not_sent_to_another() -> None:
    settings = StoreSettings(azure_account="mine", azure_key=KEY, timeout_seconds=5, retries=0)
    mine = ObjectFile("abfs://box@mine.dfs.core.windows.net/a.csv", settings)
    other = ObjectFile("abfs://box@other.dfs.core.windows.net/a.csv", settings)
    assert mine.filesystem.__reduce__()[1][0]["account_key"] == KEY
    assert not other.filesystem.__reduce__()[1][0]["account_key"]


def test_gcs_without_credentials_names_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "account.json"
    account.write_text('{"type": "service_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    settings = StoreSettings(gcs_endpoint_url="https://127.0.0.1:9", timeout_seconds=3, retries=0)
    with pytest.raises(UserError, match=r"^gs://box/a.csv: access denied") as raised:
        ObjectFile("gs://box/a.csv", settings).size()
    assert "Set GOOGLE_APPLICATION_CREDENTIALS to the key file" in str(raised.value)
    assert "error_info" not in str(raised.value)


def test_secrets_of_all_stores_are_masked() -> None:
    settings = StoreSettings(azure_key=KEY, s3_secret=f"s3-{KEY}", database_password="db")
    assert KEY not in settings.mask_secrets(f"key {KEY}, and s3-{KEY}")
    assert KEY not in repr(settings)


def test_what_travels_to_another_process_holds_no_credentials() -> None:
    file = ObjectFile("abfs://box/a.csv", StoreSettings(azure_account="mine", azure_key=KEY))
    assert KEY.encode() not in pickle.dumps(file)
    assert KEY not in repr(file)
