"""The errors that a command line shows as one message, without a traceback."""

from __future__ import annotations

from cli.safe_text import safe


class UserError(Exception):
    """Something failed that a person can fix; the message says what and how.

    The message may hold names, values and locations that somebody else chose: as a string, it has
    no credentials and no control characters.
    """

    exit_code = 1

    def __str__(self) -> str:
        """The message, as it may be shown."""
        return safe(super().__str__())


class InputError(UserError):
    """What was passed (a file, a column, an option) is not as it must be."""

    exit_code = 2


class SettingsError(InputError):
    """A setting is unknown or wrong; `key` and `source` say which one and where it was set."""

    def __init__(self, key: str, source: str, problem: str) -> None:
        super().__init__(f"{source}: {key}: {problem}")
        self.key = key
        self.source = source
