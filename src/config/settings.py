"""Layered settings: defaults, then TOML files, then the environment, then the command line.

A settings class names its `section`; with `section = "predict"` the key `batch_rows` is

- `batch_rows` under `[predict]` in a TOML file,
- `DATASCIENCE_PREDICT_BATCH_ROWS` in the environment,
- `--batch-rows` on the command line.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Self, get_args

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config.errors import InputError, SettingsError

PREFIX = "DATASCIENCE_"
Environment = Literal["dev", "staging", "prod"]
type Source = PydanticBaseSettingsSource


class Settings(BaseSettings):
    """Base of all settings objects: frozen, and every key it does not know is an error."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    section: ClassVar[str]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: Source,
        env_settings: Source,
        dotenv_settings: Source,
        file_secret_settings: Source,
    ) -> tuple[Source, ...]:
        """Only what `load` merged: it asks the sources itself, to know which one set a key."""
        return (init_settings,)

    @classmethod
    def load(
        cls,
        command_line: Mapping[str, Any] | None = None,
        *,
        environment: str | None = None,
        file: Path | str | None = None,
    ) -> Self:
        """Merge all layers into one checked object.

        `environment` (default: `$DATASCIENCE_ENVIRONMENT`, then `dev`) chooses the packaged TOML
        file, `file` (default: `$DATASCIENCE_CONFIG`) is a TOML file laid over it.

        Raises:
            SettingsError: a key is unknown or its value is wrong; names the key and its source.
        """
        layers = [
            _packaged_layer(cls, environment or _chosen_environment()),
            *_file_layers(cls, file or os.environ.get(f"{PREFIX}CONFIG")),
            _environment_layer(cls),
            _Layer(
                dict.fromkeys(command_line or {}, "the command line"),
                command_line or {},
            ),
        ]
        origins: dict[str, str] = {}
        values: dict[str, Any] = {}
        for layer in layers:
            values |= layer.values
            origins |= layer.origins
        return _validated(cls, values, origins)

    def describe(self) -> dict[str, str]:
        """Every key with its value as text; secrets are masked."""
        return {name: str(getattr(self, name)) for name in type(self).model_fields}


@dataclass(frozen=True)
class _Layer:
    """What one source sets: each key's value, and where a person finds it."""

    origins: Mapping[str, str]
    values: Mapping[str, Any]


def environment_prefix(settings: type[Settings]) -> str:
    """What the names of a section's environment variables start with."""
    return f"{PREFIX}{settings.section.upper()}_"


def _chosen_environment() -> str:
    return os.environ.get(f"{PREFIX}ENVIRONMENT", "dev")


def _packaged_layer(settings: type[Settings], environment: str) -> _Layer:
    known = get_args(Environment)
    if environment not in known:
        raise InputError(
            f"No environment {environment!r}; known: {', '.join(known)}. "
            f"Set --environment or {PREFIX}ENVIRONMENT to one of them."
        )
    file = resources.files("config") / "environments" / f"{environment}.toml"
    return _toml_layer(settings, f"config/environments/{environment}.toml", file.read_bytes())


def _file_layers(settings: type[Settings], file: Path | str | None) -> list[_Layer]:
    if file is None:
        return []
    try:
        return [_toml_layer(settings, str(file), Path(file).read_bytes())]
    except OSError as error:
        raise InputError(f"{file}: cannot read the settings file: {error.strerror}.") from error


def _toml_layer(settings: type[Settings], name: str, content: bytes) -> _Layer:
    try:
        sections = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not a TOML file: {error}.") from error
    section = sections.get(settings.section, {})
    if not isinstance(section, dict):
        raise SettingsError(
            settings.section,
            name,
            f"expected a table [{settings.section}], got {section!r}.",
        )
    return _Layer(dict.fromkeys(section, f"{name}, [{settings.section}]"), section)


def _environment_layer(settings: type[Settings]) -> _Layer:
    prefix = environment_prefix(settings)
    known = {f"{prefix}{name.upper()}" for name in settings.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith(prefix) and variable not in known:
            raise SettingsError(variable, "environment variable", _unknown(variable, known))
    values = EnvSettingsSource(settings, env_prefix=prefix)()
    origins = {name: f"environment variable {prefix}{name.upper()}" for name in values}
    return _Layer(origins, values)


def _validated[S: Settings](
    settings: type[S], values: Mapping[str, Any], origins: Mapping[str, str]
) -> S:
    try:
        return settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = str(first["loc"][0]) if first["loc"] else settings.section
        if first["type"] == "extra_forbidden":
            problem = _unknown(key, settings.model_fields)
        else:
            problem = first["msg"] + "."
        raise SettingsError(key, origins.get(key, settings.__name__), problem) from None


def _unknown(key: str, known: Sequence[str] | Mapping[str, Any] | set[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    hint = (
        f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(sorted(known))}."
    )
    return f"unknown key{hint}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See `{self.prog} --help`.")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        # What happens without the option is said in its description.
        return (action.help or "").replace(" (default: None)", "")


def parse_command_line[S: Settings](
    settings: type[S],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str | None,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> tuple[argparse.Namespace, S]:
    """Read a command line into `settings`; the namespace holds the other options.

    The options, their defaults and their help come from the class's fields. `choices` are further
    options that must be given, each with the values it takes.

    Raises:
        InputError: an option is unknown or its value is wrong.
    """
    parser = _Parser(
        prog=prog,
        description=description,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--environment", choices=get_args(Environment), help="default: dev")
    parser.add_argument("--config", metavar="FILE", help="a TOML file laid over the environment's")
    for name, values in (choices or {}).items():
        parser.add_argument(f"--{name}", choices=values, required=True, help="which one")
    arguments = list(sys.argv[1:] if argv is None else argv)
    source: CliSettingsSource[argparse.ArgumentParser] = CliSettingsSource(
        settings,
        cli_parse_args=arguments,
        root_parser=parser,
        cli_implicit_flags=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )
    namespace = parser.parse_args(arguments)
    loaded = settings.load(source(), environment=namespace.environment, file=namespace.config)
    return namespace, loaded
