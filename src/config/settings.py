"""Layered settings: defaults, then TOML files, then the environment, then the command line.

A settings class names its `section`; with `section = "predict"` the key `batch_rows` is

- `batch_rows` under `[predict]` in a TOML file,
- `DATASCIENCE_PREDICT_BATCH_ROWS` in the environment,
- `--batch-rows` on the command line.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import Secret, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from cli.command_line import make_parser, parse, suggest
from cli.errors import InputError, SettingsError
from cli.safe_text import MASK, masked

PREFIX = "DATASCIENCE_"
Environment = Literal["dev", "staging", "prod"]
# Sections of other programs are ignored, but a name as similar as this to ours is a typo.
TYPO_CUTOFF = 0.8
type Source = PydanticBaseSettingsSource


class Settings(BaseSettings):
    """Base of all settings objects: frozen; an unknown key is an error."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    section: ClassVar[str]
    # Aliases of options, each with the option's own name.
    shortcuts: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: Source,
        env_settings: Source,
        dotenv_settings: Source,
        file_secret_settings: Source,
    ) -> tuple[Source, ...]:
        """Use only the values of `load`, which reads the sources itself and records them."""
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
        file, `file` (default: `$DATASCIENCE_CONFIG`) is a TOML file that overrides it.

        Raises:
            SettingsError: a key is unknown or its value is wrong.
        """
        layers = [
            _load_packaged_layer(cls, environment or chosen_environment()),
            *_load_file_layers(cls, os.environ.get(f"{PREFIX}CONFIG") if file is None else file),
            _load_environment_layer(cls),
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
        return _validate(cls, values, origins)

    @classmethod
    def parse(
        cls,
        argv: Sequence[str] | None,
        *,
        prog: str,
        description: str | None,
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> tuple[argparse.Namespace, Self]:
        """Read a command line; the namespace holds the other options.

        The options, their defaults and their help come from the class's fields. `choices` are
        further required options, each with its allowed values.

        Raises:
            InputError: an option is unknown or its value is wrong.
        """
        arguments = list(sys.argv[1:] if argv is None else argv)
        parser = make_parser(
            prog,
            description,
            environments=get_args(Environment),
            prefix=PREFIX,
            choices=choices,
        )
        options, values = parse(cls, parser, arguments, cls.shortcuts)
        return options, cls.load(values, environment=options.environment, file=options.config)

    def describe(self) -> dict[str, str]:
        """Every key with its value as a string; secrets and credentials in URIs are masked."""
        return {name: masked(str(getattr(self, name))) for name in type(self).model_fields}


@dataclass(frozen=True)
class _Layer:
    """What one source sets: each key's value, and where it is set."""

    origins: Mapping[str, str]
    values: Mapping[str, Any]


def environment_prefix(settings: type[Settings]) -> str:
    """The prefix of a section's environment variables."""
    return f"{PREFIX}{settings.section.upper()}_"


def chosen_environment() -> str:
    """The environment to use if the command line does not name one."""
    return os.environ.get(f"{PREFIX}ENVIRONMENT", "dev")


def _load_packaged_layer(settings: type[Settings], environment: str) -> _Layer:
    known = get_args(Environment)
    if environment not in known:
        raise InputError(
            f"No environment {environment!r}; known: {', '.join(known)}. "
            f"Set --environment or {PREFIX}ENVIRONMENT to one of them."
        )
    file = resources.files("config") / "environments" / f"{environment}.toml"
    return _parse_toml_layer(settings, f"config/environments/{environment}.toml", file.read_bytes())


def _load_file_layers(settings: type[Settings], file: Path | str | None) -> list[_Layer]:
    if file is None:
        return []
    if not str(file):
        raise InputError(
            f"The name of the settings file is empty. Set --config or {PREFIX}CONFIG to a file, "
            "or set neither."
        )
    try:
        return [_parse_toml_layer(settings, str(file), Path(file).read_bytes())]
    except OSError as error:
        raise InputError(f"{file}: cannot read the settings file: {error.strerror}.") from error


def _parse_toml_layer(settings: type[Settings], name: str, content: bytes) -> _Layer:
    try:
        sections = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not a TOML file: {error}.") from error
    ours = _sections()
    for other, table in sections.items():
        close = difflib.get_close_matches(other, ours, n=1, cutoff=TYPO_CUTOFF)
        if not isinstance(table, dict) and other not in ours:
            raise SettingsError(other, name, "is in no section; move it below its [section].")
        if close and other not in ours:
            raise SettingsError(other, name, f"unknown section; did you mean [{close[0]}]?")
    section = sections.get(settings.section, {})
    if not isinstance(section, dict):
        raise SettingsError(
            settings.section,
            name,
            f"expected a table [{settings.section}], got {type(section).__name__}.",
        )
    return _Layer(dict.fromkeys(section, f"{name}, [{settings.section}]"), section)


def _sections() -> set[str]:
    return {settings.section for settings in Settings.__subclasses__()}


class _EnvironmentSource(EnvSettingsSource):
    def prepare_field_value(
        self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool
    ) -> Any:
        try:
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        except ValueError:
            # Neither chained nor printed: the value may contain a secret.
            raise SettingsError(
                field_name,
                f"environment variable {self.env_prefix}{field_name.upper()}",
                f"expected JSON{_json_error(str(value))}.",
            ) from None


def _json_error(text: str) -> str:
    """Where a string stops being JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f" ({error.msg}, at character {error.pos + 1})"
    return ""


def _load_environment_layer(settings: type[Settings]) -> _Layer:
    prefix = environment_prefix(settings)
    known = {f"{prefix}{name.upper()}" for name in settings.model_fields}
    for variable in sorted(os.environ):
        if variable.upper().startswith(prefix) and variable.upper() not in known:
            raise SettingsError(
                variable, "environment variable", _unknown_key_message(variable, known)
            )
    values = _EnvironmentSource(settings, env_prefix=prefix)()
    origins = {name: f"environment variable {prefix}{name.upper()}" for name in values}
    return _Layer(origins, values)


def _validate[S: Settings](
    settings: type[S], values: Mapping[str, Any], origins: Mapping[str, str]
) -> S:
    try:
        return settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = str(first["loc"][0]) if first["loc"] else settings.section
        if first["type"] == "extra_forbidden":
            problem = _unknown_key_message(key, settings.model_fields)
        elif key in settings.model_fields and key in values:
            problem = _wrong_value_message(settings.model_fields[key], values[key], first["msg"])
        else:
            problem = first["msg"] + "."
        raise SettingsError(key, origins.get(key, settings.__name__), problem) from None


def _wrong_value_message(field: FieldInfo, value: Any, message: str) -> str:
    if _is_secret(field.annotation) and str(value):
        message = message.replace(str(value), MASK)
    return f"{message}{_got(field, value)}."


def _got(field: FieldInfo, value: Any) -> str:
    return "" if _is_secret(field.annotation) else f", got {value!r}"


def _is_secret(annotation: Any) -> bool:
    """Whether a value of this type is a secret, or a container of secrets."""
    kind = get_origin(annotation) or annotation
    return (isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes | Secret)) or any(
        _is_secret(part) for part in get_args(annotation)
    )


def _unknown_key_message(key: str, known: Iterable[str]) -> str:
    return f"unknown key{suggest(key, known, 'known keys')}"
