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
    """A tool of files that need no target: Pants gives it the files that its globs match.

    What a subclass says is all there is to a tool; `tools.py` is the table of them.
    """

    # The wheel's name, in the resolve.
    package: ClassVar[str]
    default_include: ClassVar[tuple[str, ...]]
    # Its configuration, in the root or in any folder above a file.
    config_names: ClassVar[tuple[str, ...]] = ()
    # What comes before the files; None: it does not lint, or does not format.
    lint_command: ClassVar[tuple[str, ...] | None] = None
    fmt_command: ClassVar[tuple[str, ...] | None] = None
    # It looks into other files of its kind: a script sources one.
    looks_into_others: ClassVar[bool] = False
    # It lints all files of its kind where one is given: a change of one breaks a link in another.
    lints_all: ClassVar[bool] = False
    # It asks whether a file is there, of whatever kind: it sees all names, as empty files.
    asks_for_names: ClassVar[bool] = False
    # One of `scripts/`, which `default_main` names, to run with the package.
    script: ClassVar[str | None] = None

    # A tool always comes from a resolve, but Pants wants these of every tool.
    default_version = "of the resolve"
    default_lockfile_resource = ("linters", "linters.lock")
    lockfile_rules_type = LockfileRules.CUSTOM
    # Left alone, these are the resolve's.
    register_interpreter_constraints = True

    skip = SkipOption("fmt", "lint")
    include = StrListOption(
        default=lambda cls: list(cls.default_include),
        help="Globs of the files to work on, relative to the build root, e.g. `**/*.sh`.",
    )
    exclude = StrListOption(
        help="Globs of files to leave alone all the same, e.g. `src/generated/**`."
    )
    config_discovery = BoolOption(
        default=True,
        advanced=True,
        help="If true, the tool sees its configuration files, from the build root down to a file.",
    )

    def pex_requirements(self, *, extra_requirements: Iterable[str] = ()) -> PexRequirements:
        """Its own package alone, of the resolve `linters`, unless options say otherwise."""
        return PexRequirements(
            (*(self.requirements or (self.package,)), *extra_requirements),
            from_superset=Resolve(
                self.install_from_resolve or DEFAULT_RESOLVE, use_entire_lockfile=False
            ),
            description_of_origin=f"the requirements of the `{self.options_scope}` tool",
        )

    @classmethod
    def title(cls, command: tuple[str, ...]) -> str:
        """The tool as its results name it, with the subcommand where it has some."""
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
        """`args` are for the linter of a tool that is both."""
        takes_args = command == self.lint_command or self.lint_command is None
        return (*command, *(self.args if takes_args else ()), *files)

    # Each subclass says which, with an example.
    args: Any
