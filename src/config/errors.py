"""The errors that a command line shows as one message, without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something failed that a person can mend; the message says what and how."""

    exit_code = 1


class InputError(UserError):
    """What was handed in (a file, a column, an option) is not as it must be."""

    exit_code = 2


class SettingsError(InputError):
    """A setting is unknown or wrong; `key` and `source` say which one and where it was set."""

    def __init__(self, key: str, source: str, problem: str) -> None:
        super().__init__(f"{source}: {key}: {problem}")
        self.key = key
        self.source = source
