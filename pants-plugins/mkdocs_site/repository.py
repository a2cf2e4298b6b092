"""The repository's targets, for the hooks of a site."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.backend.python.target_types import PythonSourceField
from pants.engine.addresses import Addresses
from pants.engine.fs import CreateDigest, Digest, FileContent, PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    AllTargets,
    AllUnexpandedTargets,
    Dependencies,
    DependenciesRequest,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    SingleSourceField,
    SourcesField,
    SourcesPaths,
    SourcesPathsRequest,
    Target,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from mkdocs_site.target_types import SiteReadsField, SiteSourcesField

TARGETS_FILE = "targets.json"


@dataclass(frozen=True)
class RepositoryRequest:
    pass


@dataclass(frozen=True)
class Repository:
    """The JSON file `targets.json`, with a part of the output of `./pants peek ::`."""

    digest: Digest


@dataclass(frozen=True)
class SiteReadsFieldSet(FieldSet):
    required_fields = (SiteReadsField,)

    sources: SiteSourcesField
    reads: SiteReadsField


class InferSiteReads(InferDependenciesRequest):
    infer_from = SiteReadsFieldSet


def as_peek(target: Target, dependencies: Iterable[str] = ()) -> Mapping[str, object]:
    source = target[SingleSourceField] if target.has_field(SingleSourceField) else None
    return {
        "address": target.address.spec,
        "dependencies": sorted(dependencies),
        "sources": [source.file_path] if source and source.value else [],
    }


@rule(desc="Describe the repository's targets for a site", level=LogLevel.DEBUG)
async def describe_repository(
    _: RepositoryRequest, targets: AllTargets, unexpanded: AllUnexpandedTargets
) -> Repository:
    modules = [target for target in targets if target.has_field(PythonSourceField)]
    dependencies = await MultiGet(
        Get(Addresses, DependenciesRequest(target.get(Dependencies))) for target in modules
    )
    found = {target.address: as_peek(target) for target in (*unexpanded, *targets)}
    for target, addresses in zip(modules, dependencies):
        found[target.address] = as_peek(target, (address.spec for address in addresses))
    content = json.dumps([found[address] for address in sorted(found)], indent=1)
    return Repository(
        await Get(Digest, CreateDigest([FileContent(TARGETS_FILE, content.encode())])),
    )


def owns(target: Target, files: frozenset[str]) -> bool:
    if target.has_field(SingleSourceField):
        return target[SingleSourceField].file_path in files
    matcher = target[SourcesField].filespec_matcher
    return bool(matcher.matches(tuple(files)))


# Pants' own `Owners` compares each file with each target. For a site that reads all sources, that
# time grows with the square of their number.
@rule(desc="Infer the dependencies of a site", level=LogLevel.DEBUG)
async def infer_reads(request: InferSiteReads, targets: AllTargets) -> InferredDependencies:
    field_set = request.field_set
    # Some pages may be notebooks, which have their own targets.
    sources, read = await MultiGet(
        Get(SourcesPaths, SourcesPathsRequest(field_set.sources)),
        Get(Paths, PathGlobs(field_set.reads.value or ())),
    )
    files = frozenset((*sources.files, *read.files))
    return InferredDependencies(
        target.address
        for target in targets
        if target.has_field(SourcesField)
        and target.address != field_set.address
        and owns(target, files)
    )


def rules():
    return (*collect_rules(), UnionRule(InferDependenciesRequest, InferSiteReads))
