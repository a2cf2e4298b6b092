from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from pants.base.build_environment import get_buildroot
from pants.core.util_rules.system_binaries import MaybeGitBinary
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.logging import LogLevel

logger = logging.getLogger(__name__)

CHANGES = "+changes"
UNKNOWN = "unknown"
# 1980-01-01, used where the date is unknown.
EPOCH = 315532800


@dataclass(frozen=True)
class RevisionRequest:
    pass


@dataclass(frozen=True)
class Revision:
    """The checked-out commit and its time (seconds since 1970).

    `name` ends in `+changes` if the working tree differs from the commit, as in
    `modelling.registry.compatibility`. Untracked files count, because an image may contain them.
    """

    name: str = UNKNOWN
    created: int = EPOCH

    @property
    def tag(self) -> str | None:
        """The commit, or None if it is unknown or the working tree differs from it."""
        return None if self.name == UNKNOWN or self.name.endswith(CHANGES) else self.name

    @classmethod
    def parse(cls, shown: str, status: str) -> Revision:
        """Parse the output of `git show --format='%H %ct'` and `git status --porcelain`."""
        commit, _, created = shown.strip().partition(" ")
        return cls(f"{commit}{CHANGES}" if status.strip() else commit, int(created))


def safe_directory_command(output: str) -> str:
    """The command that git suggests if the clone belongs to another user, or ""."""
    found = re.search(r"git config .*safe\.directory.*", output)
    return found[0] if found else ""


@rule(desc="Find the git commit", level=LogLevel.DEBUG)
async def find_revision(_: RevisionRequest, git: MaybeGitBinary) -> Revision:
    if git.git_binary is None:
        return Revision()
    # The setting `safe.directory` is in the home folder.
    env = await Get(EnvironmentVars, EnvironmentVarsRequest(["HOME", "XDG_CONFIG_HOME"]))
    commands = (
        ("show", "--no-patch", "--no-show-signature", "--format=%H %ct"),
        ("status", "--porcelain", "--untracked-files=normal"),
    )
    shown, status = await MultiGet(
        Get(
            FallibleProcessResult,
            Process(
                # Do not lock the index of a user who is committing.
                (git.git_binary.path, "--no-optional-locks", "-C", get_buildroot(), *command),
                description=f"git {command[0]}",
                env=env,
                cache_scope=ProcessCacheScope.PER_SESSION,
                level=LogLevel.DEBUG,
            ),
        )
        for command in commands
    )
    if command := safe_directory_command(shown.stderr.decode(errors="replace")):
        logger.warning(
            f"The commit is unknown: git does not trust the clone's owner. To fix this: {command}"
        )
    if shown.exit_code or status.exit_code:
        return Revision()
    return Revision.parse(shown.stdout.decode(), status.stdout.decode())


def rules():
    return collect_rules()
