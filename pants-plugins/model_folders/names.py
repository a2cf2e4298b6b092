"""Lint names of models' folders: commands, jobs and paths need them to be Python identifiers."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from pathlib import PurePath

from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules.partitions import Partitions
from pants.engine.rules import collect_rules, rule
from pants.option.option_types import SkipOption, StrListOption
from pants.option.subsystem import Subsystem
from pants.util.logging import LogLevel

TITLE = "model-folders"


class ModelFolders(Subsystem):
    options_scope = "model-folders"
    name = "Names of models"
    help = "Refuses folders of models whose names are not Python identifiers."

    skip = SkipOption("lint")
    within = StrListOption(
        default=["src/models", "tests/models"],
        help="The folders whose subfolders are models.",
    )


class ModelFoldersRequest(LintFilesRequest):
    tool_subsystem = ModelFolders
    tool_name = TITLE


def folders_of_models(files: Iterable[str], within: Iterable[str]) -> tuple[str, ...]:
    """The direct subfolders of `within` that contain any of the files."""
    depths = [PurePath(folder).parts for folder in within]
    found = set()
    for file in files:
        parts = PurePath(file).parts
        for depth in depths:
            if parts[: len(depth)] == depth and len(parts) > len(depth) + 1:
                found.add("/".join(parts[: len(depth) + 1]))
    return tuple(sorted(found))


def is_refused(folder: str) -> bool:
    name = folder.rpartition("/")[2]
    # src/tools/workspace/model_names.py has the same rule for tools.
    is_model_name = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return not is_model_name


def message(folders: Iterable[str]) -> str:
    # A name may contain control characters for a terminal.
    return "".join(
        f"{ascii(folder)}: the name of a model's folder must be a Python identifier "
        "(a to z, 0 to 9 and _). Rename the folder.\n"
        for folder in folders
    )


@rule
async def partition(
    request: ModelFoldersRequest.PartitionRequest, tool: ModelFolders
) -> Partitions:
    folders = () if tool.skip else folders_of_models(request.files, tool.within)
    return Partitions.single_partition(folders) if folders else Partitions()


@rule(desc="Check the names of models", level=LogLevel.DEBUG)
async def check_names(request: ModelFoldersRequest.Batch) -> LintResult:
    refused = [folder for folder in request.elements if is_refused(folder)]
    return LintResult(1 if refused else 0, message(refused), "", linter_name=TITLE)


def rules():
    return (*collect_rules(), *ModelFolders.rules(), *ModelFoldersRequest.rules())
