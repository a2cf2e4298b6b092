from __future__ import annotations

import os
from dataclasses import dataclass

from pants.core.goals.tailor import (
    AllOwnedSources,
    PutativeTarget,
    PutativeTargets,
    PutativeTargetsRequest,
)
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.dirutil import group_by_dir
from pants.util.logging import LogLevel

from notebook.subsystem import Jupyter
from notebook.target_types import EXTENSION, NotebooksGeneratorTarget

NAME = "notebooks"


@dataclass(frozen=True)
class PutativeNotebooksRequest(PutativeTargetsRequest):
    pass


@rule(desc="Find notebooks without a target", level=LogLevel.DEBUG)
async def find_putative_notebooks(
    request: PutativeNotebooksRequest, owned: AllOwnedSources, jupyter: Jupyter
) -> PutativeTargets:
    if not jupyter.tailor:
        return PutativeTargets()
    found = await Get(Paths, PathGlobs, request.path_globs(f"*{EXTENSION}"))
    unowned = set(found.files) - set(owned)
    return PutativeTargets(
        PutativeTarget.for_target_type(
            NotebooksGeneratorTarget,
            path=folder,
            name=None if os.path.basename(folder) == NAME else NAME,
            triggering_sources=sorted(files),
        )
        for folder, files in sorted(group_by_dir(unowned).items())
    )


def rules():
    return (*collect_rules(), UnionRule(PutativeTargetsRequest, PutativeNotebooksRequest))
