"""The errors that a command line shows as one message, without a traceback."""

from __future__ import annotations

from cli.safe_text import safe


class UserError(Exception):
    """A failure that the user can fix; the message states what failed and how to fix it.

    `str` masks credentials and escapes control characters: a message may contain names, values and
    locations that somebody else chose.
    """

    exit_code = 1

    def __str__(self) -> str:
        """The message, safe to print."""
        return safe(super().__str__())


class InputError(UserError):
    """An input (a file, a column, an option) is wrong."""

    exit_code = 2


class SettingsError(InputError):
    """A setting is unknown or wrong: `key` is its name, `source` where it was set."""

    def __init__(self, key: str, source: str, problem: str) -> None:
        super().__init__(f"{source}: {key}: {problem}")
        self.key = key
        self.source = source
