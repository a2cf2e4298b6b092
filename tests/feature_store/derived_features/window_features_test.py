from __future__ import annotations

import doctest

from feature_store.derived_features import window_features


def test_examples_are_true() -> None:
    result = doctest.testmod(window_features)
    assert result.attempted and not result.failed
