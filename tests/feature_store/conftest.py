"""Small tables under views of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_table


@pytest.fixture
def stores(tmp_path: Path) -> StoreSettings:
    """Tables below a folder of the test's own, in which nothing is yet."""
    return StoreSettings(root=str(tmp_path / "data"))


@pytest.fixture
def store(stores: StoreSettings) -> Callable[[str, pd.DataFrame], None]:
    """Write a table there."""

    def store(name: str, frame: pd.DataFrame) -> None:
        open_table(name, stores).write(frame)

    return store
