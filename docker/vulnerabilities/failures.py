"""Errors of an audit. Only their message is shown, without a traceback."""

from __future__ import annotations


class AuditError(Exception):
    """The audit failed to run. The message says why, and how to fix it."""

    exit_code = 1


class UsageError(AuditError):
    """An option, a lockfile or the list of exceptions is invalid."""

    exit_code = 2


class UnreachableError(AuditError):
    """The database gave no answer, so nothing was audited."""

    exit_code = 3
