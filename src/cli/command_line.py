"""The last layer of settings: the options of a command line."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from pydantic_settings import BaseSettings, CliSettingsSource, SettingsError

from cli.errors import InputError


class _Parser(argparse.ArgumentParser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse unknown options without showing their values, which may be secrets."""
        known, unknown = super().parse_known_args(args, namespace)
        options = [argument.partition("=")[0] for argument in unknown if argument[:1] == "-"]
        if options:
            hint = suggest(options[0], self._option_string_actions, "known options")
            raise InputError(f"unknown option {options[0]!r}{hint}")
        if unknown:
            self.error("a value has no option before it")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See `{self.prog} --help`.")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        # The description already states the default.
        return re.sub(r" \(default: (None|\(\)|\*+)?\)$", "", action.help or "")


def make_parser(
    prog: str,
    description: str | None,
    *,
    environments: Sequence[str],
    prefix: str,
    choices: Mapping[str, Sequence[str]] | None,
) -> argparse.ArgumentParser:
    """A parser with the options of every task and with `choices`."""
    parser = _Parser(
        prog=prog,
        description=description,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--environment",
        choices=environments,
        help=f"default: ${prefix}ENVIRONMENT, then dev",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"a TOML file that overrides the environment's; default: ${prefix}CONFIG",
    )
    for name, values in (choices or {}).items():
        parser.add_argument(f"--{name}", choices=values, required=True, help="which one to use")
    return parser


def parse(
    settings: type[BaseSettings],
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    shortcuts: Mapping[str, str],
) -> tuple[argparse.Namespace, Mapping[str, Any]]:
    """Add an option for each field of `settings`, and parse; the mapping has those that are set.

    Raises:
        InputError: an option is unknown or its value is wrong.
    """
    try:
        source: CliSettingsSource[argparse.ArgumentParser] = CliSettingsSource(
            settings,
            cli_parse_args=list(arguments),
            root_parser=parser,
            add_argument_method=_add_argument,
            cli_implicit_flags=True,
            cli_kebab_case=True,
            cli_hide_none_type=True,
            cli_avoid_json=True,
            cli_shortcuts=shortcuts,
        )
        return parser.parse_args(arguments), source()
    except SettingsError as error:
        # The value itself may be a secret.
        raise InputError(
            f"a value that begins with '[' or '{{' is not JSON. See `{parser.prog} --help`."
        ) from error


def suggest(name: str, known: Iterable[str], label: str) -> str:
    """The end of a message about an unknown name: the closest known name, or all of them."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; {label}: {', '.join(sorted(known))}."


def _add_argument(parser: argparse.ArgumentParser, *names: str, **details: Any) -> argparse.Action:
    """Show a value in `--help` as argparse does, not as a Python type."""
    metavar = details.get("metavar", "")
    if metavar in ("int", "float"):
        details["metavar"] = "NUMBER"
    elif metavar[:1] not in ("", "{"):
        details["metavar"] = names[-1].lstrip("-").replace("-", "_").upper()
    return parser.add_argument(*names, **details)
