"""The severity of a vulnerability, from its record (https://ossf.github.io/osv-schema)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from math import ceil
from typing import Any


class Severity(IntEnum):
    """In ascending order; an unknown severity counts as worse than medium."""

    LOW = 1
    MEDIUM = 2
    UNKNOWN = 3
    HIGH = 4
    CRITICAL = 5

    def __str__(self) -> str:
        return self.name.lower()


# MODERATE is GitHub's word for medium.
_WORDS = {**{level.name: level for level in Severity}, "MODERATE": Severity.MEDIUM}
_VECTOR = re.compile(r"CVSS:3\.[01]/(?P<metrics>.+)")
_IMPACT = {"N": 0.0, "L": 0.22, "H": 0.56}
_METRICS = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": _IMPACT,
    "I": _IMPACT,
    "A": _IMPACT,
}
# By scope: a required privilege reduces the score less if the scope changes.
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def of_record(record: Mapping[str, Any]) -> Severity:
    """The publisher's rating, or else the rating of the CVSS 3 vector.

    A CVSS 4 vector alone is unknown, because its score is a table of 270 ratings, not a formula.
    """
    rating = (record.get("database_specific") or {}).get("severity")
    if isinstance(rating, str) and rating.upper() in _WORDS:
        return _WORDS[rating.upper()]
    vectors = [entry.get("score", "") for entry in record.get("severity") or []]
    return max(
        (_rate(score) for vector in vectors if (score := base_score(vector)) is not None),
        default=Severity.UNKNOWN,
    )


def base_score(vector: str) -> float | None:
    """The base score of a vector (https://www.first.org/cvss/v3.1/specification-document)."""
    found = _VECTOR.fullmatch(vector)
    if not found:
        return None
    given = dict(part.partition(":")[::2] for part in found["metrics"].split("/"))
    try:
        value = {name: weights[given[name]] for name, weights in _METRICS.items()}
        privileges = _PRIVILEGES[given["S"]][given["PR"]]
    except KeyError:
        return None
    changed = given["S"] == "C"
    missed = 1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"])
    impact = 7.52 * (missed - 0.029) - 3.25 * (missed - 0.02) ** 15 if changed else 6.42 * missed
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * value["AV"] * value["AC"] * privileges * value["UI"]
    return _round_up(min(10.0, (1.08 if changed else 1.0) * (impact + exploitability)))


def _round_up(score: float) -> float:
    """Round up to one decimal, by appendix A of the specification: the same on every machine."""
    return ceil(round(score * 100_000) / 10_000) / 10


def _rate(score: float) -> Severity:
    if score >= 9.0:
        return Severity.CRITICAL
    if score >= 7.0:
        return Severity.HIGH
    return Severity.MEDIUM if score >= 4.0 else Severity.LOW
