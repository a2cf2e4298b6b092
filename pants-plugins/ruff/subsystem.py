from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.backend.python.subsystems.python_tool_base import LockfileRules, PythonToolBase
from pants.backend.python.target_types import ConsoleScript, PythonSourceField
from pants.backend.python.util_rules.pex import PexRequest
from pants.core.util_rules.config_files import ConfigFilesRequest
from pants.engine.rules import collect_rules
from pants.engine.target import FieldSet, Target
from pants.option.errors import OptionsError
from pants.option.option_types import ArgsListOption, BoolOption, FileOption, SkipOption
from pants.util.strutil import softwrap

from ruff.skip_field import SkipRuffField


@dataclass(frozen=True)
class RuffFieldSet(FieldSet):
    required_fields = (PythonSourceField,)

    source: PythonSourceField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return tgt.get(SkipRuffField).value


class Ruff(PythonToolBase):
    options_scope = "ruff"
    name = "Ruff"
    help = "The Ruff linter and formatter (https://docs.astral.sh/ruff)."

    default_main = ConsoleScript("ruff")
    # Required by Pants for every tool, and unused: the version comes from a resolve.
    default_version = "ruff"
    default_lockfile_resource = ("pants.backend.python.lint.ruff", "ruff.lock")
    lockfile_rules_type = LockfileRules.CUSTOM
    # By default, those of the resolve. Ruff is a native binary: any interpreter can start it.
    register_interpreter_constraints = True

    skip = SkipOption("fix", "fmt", "lint")
    args = ArgsListOption(
        example="--unsafe-fixes",
        extra_help="They are passed to `ruff check`, not to `ruff format`.",
    )
    config = FileOption(
        default=None,
        advanced=True,
        help=softwrap(
            """
            Path to a `ruff.toml` or `pyproject.toml` to use for all files.

            Setting it disables `[ruff].config_discovery`.
            """
        ),
    )
    config_discovery = BoolOption(
        default=True,
        advanced=True,
        help=softwrap(
            """
            If true, Ruff sees every `ruff.toml`, `.ruff.toml` and `pyproject.toml` (with a
            `[tool.ruff]` section) from the build root down to the files it works on.
            """
        ),
    )

    def config_request(self, dirs: Iterable[str]) -> ConfigFilesRequest:
        folders = ("", *dirs)
        return ConfigFilesRequest(
            specified=self.config,
            specified_option_name=f"[{self.options_scope}].config",
            discovery=self.config_discovery,
            check_existence=[
                os.path.join(folder, name)
                for folder in folders
                for name in ("ruff.toml", ".ruff.toml")
            ],
            check_content={
                os.path.join(folder, "pyproject.toml"): b"[tool.ruff" for folder in folders
            },
        )

    def to_pex_request(self, **kwargs: Any) -> PexRequest:
        if not self.install_from_resolve:
            raise OptionsError(
                "[ruff].install_from_resolve is not set. Add a resolve with the requirement `ruff` "
                "to `[python].resolves`, and set the option to its name. It locks the version."
            )
        return super().to_pex_request(**kwargs)


def rules():
    return collect_rules()
