"""Moments as a person writes them. There is no moment without a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

from feature_store.errors import FeatureStoreError

type Moment = str | date | datetime

_DATE_LENGTH = len("2025-01-01")


def to_moment(value: object, what: str) -> datetime:
    """A moment in UTC; a mere date is its first moment, 00:00 UTC.

    Raises:
        FeatureStoreError: `value` is no moment, or a time without a time zone.
    """
    moment = _parsed(value, what)
    if type(moment) is date:
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime) or moment != moment:  # NaT is unlike itself
        raise FeatureStoreError(_problem(what, value, "is no moment"))
    if moment.tzinfo is None:
        raise FeatureStoreError(_problem(what, value, "has no time zone"))
    return moment.astimezone(UTC)


def _parsed(value: object, what: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        if len(value) <= _DATE_LENGTH:
            return date.fromisoformat(value)
        return datetime.fromisoformat(value)
    except ValueError:
        raise FeatureStoreError(_problem(what, value, "is no moment")) from None


def _problem(what: str, value: object, problem: str) -> str:
    shown = value if isinstance(value, str) else str(value)
    return (
        f"{what}: {shown!r} {problem}; expected a date such as 2025-01-31 (its 00:00 UTC), or a "
        "time with its offset such as 2025-01-31T18:00+01:00 or 2025-01-31T17:00Z."
    )
