"""A running daemon parses a BUILD file again only where the file or the environment is another.

A BUILD file may ask for a variable by `env()`. Pants 2.17's rule takes the environment from the
values of the session, which each command has anew, and so parses all BUILD files at each command:
three quarters of a second for the 650 of 281 models.
"""

from __future__ import annotations

import dataclasses

from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.internals import build_files
from pants.engine.internals.session import SessionValues
from pants.engine.rules import rule
from pants.util.frozendict import FrozenDict

# What the client tells the daemon of itself, as when it was started.
CLIENT = ("NAILGUN_", "PANTSD_")


class EnvironmentOfBuildFiles(FrozenDict):
    """Of the session's values the environment alone: equal where that is the same."""


@rule
def environment_of_build_files(session_values: SessionValues) -> EnvironmentOfBuildFiles:
    variables = session_values[CompleteEnvironmentVars]
    # The client sends them in any order, of which a `FrozenDict` takes notice.
    known = sorted(item for item in variables.items() if not item[0].startswith(CLIENT))
    return EnvironmentOfBuildFiles({CompleteEnvironmentVars: CompleteEnvironmentVars(known)})


def take_over() -> None:
    """Pants collects the rules of a module by the module's names, after backends are loaded."""
    own = build_files.parse_address_family
    own.rule = dataclasses.replace(
        own.rule,
        input_selectors=tuple(
            EnvironmentOfBuildFiles if selector is SessionValues else selector
            for selector in own.rule.input_selectors
        ),
    )
    build_files.environment_of_build_files = environment_of_build_files
