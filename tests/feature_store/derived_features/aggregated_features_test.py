from __future__ import annotations

import doctest

from feature_store.derived_features import aggregated_features


def test_examples_are_true() -> None:
    result = doctest.testmod(aggregated_features)
    assert result.attempted and not result.failed
