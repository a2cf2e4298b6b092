"""What an audit ends with: one message that says what to do, and no traceback."""

from __future__ import annotations


class AuditError(Exception):
    """The audit could not be made; the message says why and what to do."""

    exit_code = 1


class UsageError(AuditError):
    """What was handed in (an option, a lockfile, the list of ignored) is not as it must be."""

    exit_code = 2


class UnreachableError(AuditError):
    """The database gave no answer, so that nothing was audited."""

    exit_code = 3
