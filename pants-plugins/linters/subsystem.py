from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

from pants.backend.python.subsystems.python_tool_base import LockfileRules, PythonToolBase
from pants.backend.python.util_rules.pex_requirements import PexRequirements, Resolve
from pants.core.util_rules.config_files import ConfigFilesRequest
from pants.engine.internals.native_engine import FilespecMatcher
from pants.option.option_types import BoolOption, SkipOption, StrListOption

DEFAULT_RESOLVE = "linters"


class FileTool(PythonToolBase):
    """A linter or formatter that runs on all files that its globs match, without targets.

    `tools.py` has a subclass for each tool.
    """

    # The name of its wheel in the resolve.
    package: ClassVar[str]
    default_include: ClassVar[tuple[str, ...]]
    # Its configuration files, in the root or in any folder above a file.
    config_names: ClassVar[tuple[str, ...]] = ()
    # The arguments before the files. None: the tool does not lint, or does not format.
    lint_command: ClassVar[tuple[str, ...] | None] = None
    fmt_command: ClassVar[tuple[str, ...] | None] = None
    # It reads other files of its kind, such as a script that another one sources.
    looks_into_others: ClassVar[bool] = False
    # It lints all files of its kind if any file is given: a change can break a link in another one.
    lints_all: ClassVar[bool] = False
    # It checks whether files of any kind exist, so it gets all of them as empty files.
    asks_for_names: ClassVar[bool] = False
    # A script in `scripts/` to run with the package; `default_main` names it.
    script: ClassVar[str | None] = None

    # Required by Pants for every tool, and unused: the version comes from a resolve.
    default_version = "of the resolve"
    default_lockfile_resource = ("linters", "linters.lock")
    lockfile_rules_type = LockfileRules.CUSTOM
    # By default, those of the resolve.
    register_interpreter_constraints = True

    skip = SkipOption("fmt", "lint")
    include = StrListOption(
        default=lambda cls: list(cls.default_include),
        help="Globs of the files to work on, relative to the build root, e.g. `**/*.sh`.",
    )
    exclude = StrListOption(help="Globs of files to skip, e.g. `src/generated/**`.")
    config_discovery = BoolOption(
        default=True,
        advanced=True,
        help="If true, use the configuration files in the folders from the build root to a file.",
    )

    def pex_requirements(self, *, extra_requirements: Iterable[str] = ()) -> PexRequirements:
        """Only its own package of the resolve `linters`, unless options override this."""
        return PexRequirements(
            (*(self.requirements or (self.package,)), *extra_requirements),
            from_superset=Resolve(
                self.install_from_resolve or DEFAULT_RESOLVE, use_entire_lockfile=False
            ),
            description_of_origin=f"the requirements of the `{self.options_scope}` tool",
        )

    @classmethod
    def title(cls, command: tuple[str, ...]) -> str:
        """The tool's name in results, with its subcommand if it has one."""
        words = [word for word in command[:1] if not word.startswith("-")]
        return " ".join((cls.options_scope, *words))

    def matching(self, files: Iterable[str]) -> tuple[str, ...]:
        matcher = FilespecMatcher(includes=self.include, excludes=self.exclude)
        return tuple(sorted(matcher.matches(tuple(files))))

    def config_request(self, dirs: Iterable[str]) -> ConfigFilesRequest:
        return ConfigFilesRequest(
            discovery=self.config_discovery,
            check_existence=[
                os.path.join(folder, name) for folder in ("", *dirs) for name in self.config_names
            ],
        )

    def command_line(self, command: tuple[str, ...], files: Iterable[str]) -> tuple[str, ...]:
        """`args` are added for the linter only, if the tool also formats."""
        takes_args = command == self.lint_command or self.lint_command is None
        return (*command, *(self.args if takes_args else ()), *files)

    # Each subclass adds an example.
    args: Any
