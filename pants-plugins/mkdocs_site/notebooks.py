"""Execute the notebooks of a site, as `test` does, and with the same cached results."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pants.engine.addresses import Addresses
from pants.engine.fs import AddPrefix, Digest, DigestSubset, MergeDigests, PathGlobs, RemovePrefix
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import Targets
from pants.util.logging import LogLevel

from notebook.target_types import EXTENSION
from notebook.test import EXECUTED as EXECUTED_BY_TEST
from notebook.test import NotebookProcessRequest, NotebookTestFieldSet

EXECUTED = "executed"


@dataclass(frozen=True)
class NotebooksRequest:
    """Files, some of which may be notebooks."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class ExecutedNotebooks:
    """The executed notebooks, at their own paths below `executed`."""

    digest: Digest


@dataclass(frozen=True)
class ExecutedNotebook:
    digest: Digest


class NotebookError(Exception):
    """A notebook of a site could not be executed."""


@rule(desc="Run a notebook for a site", level=LogLevel.DEBUG)
async def run_notebook(field_set: NotebookTestFieldSet) -> ExecutedNotebook:
    result = await Get(FallibleProcessResult, NotebookProcessRequest(field_set))
    if result.exit_code:
        output = (result.stdout + result.stderr).decode(errors="replace").strip()
        raise NotebookError(
            f"{output}\nThe site shows {field_set.source.file_path} with its outputs. Fix it "
            f"(./pants test {field_set.address}), or set `skip_execute=True` to show it as it is."
        )
    executed = await Get(
        Digest, DigestSubset(result.output_digest, PathGlobs([f"{EXECUTED_BY_TEST}/**"]))
    )
    alone = await Get(Digest, RemovePrefix(executed, EXECUTED_BY_TEST))
    place = os.path.join(EXECUTED, os.path.dirname(field_set.source.file_path))
    return ExecutedNotebook(await Get(Digest, AddPrefix(alone, place)))


@rule(desc="Run notebooks for a site", level=LogLevel.DEBUG)
async def run_notebooks(request: NotebooksRequest) -> ExecutedNotebooks:
    files = tuple(file for file in request.files if file.endswith(EXTENSION))
    owners = await Get(Owners, OwnersRequest(files))
    targets = await Get(Targets, Addresses(owners))
    executed = await MultiGet(
        Get(ExecutedNotebook, NotebookTestFieldSet, NotebookTestFieldSet.create(target))
        for target in targets
        if NotebookTestFieldSet.is_applicable(target)
    )
    return ExecutedNotebooks(await Get(Digest, MergeDigests(one.digest for one in executed)))


def rules():
    return collect_rules()
