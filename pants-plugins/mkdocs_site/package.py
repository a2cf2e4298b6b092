"""A site's folder in dist/."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pants.backend.python.target_types import ConsoleScript
from pants.backend.python.util_rules.pex import VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    OutputPathField,
    PackageFieldSet,
)
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.addresses import Addresses, UnparsedAddressInputs
from pants.engine.fs import AddPrefix, Digest, MergeDigests, PathGlobs, RemovePrefix, Snapshot
from pants.engine.process import ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    SourcesField,
    TransitiveTargets,
    TransitiveTargetsRequest,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from mkdocs_site.notebooks import EXECUTED, ExecutedNotebooks, NotebooksRequest
from mkdocs_site.repository import TARGETS_FILE, Repository, RepositoryRequest
from mkdocs_site.target_types import (
    SiteDependenciesField,
    SiteReadsField,
    SiteSourcesField,
)

BUILT = "__site"


@dataclass(frozen=True)
class MkdocsSiteFieldSet(PackageFieldSet):
    required_fields = (SiteSourcesField,)

    sources: SiteSourcesField
    dependencies: SiteDependenciesField
    reads: SiteReadsField
    output_path: OutputPathField


@dataclass(frozen=True)
class SiteGenerator:
    """mkdocs with the plugins of a site; `sources` are the site's hooks."""

    pex: VenvPex
    sources: Digest


@rule(desc="Install mkdocs for a site", level=LogLevel.DEBUG)
async def install_generator(request: SiteDependenciesField) -> SiteGenerator:
    named = UnparsedAddressInputs(
        request.value or (),
        owning_address=request.address,
        description_of_origin=f"the `{request.alias}` field of {request.address}",
    )
    addresses = await Get(Addresses, UnparsedAddressInputs, named)
    pex, transitive = await MultiGet(
        Get(
            VenvPex,
            PexFromTargetsRequest(
                addresses,
                output_filename="mkdocs.pex",
                internal_only=True,
                main=ConsoleScript("mkdocs"),
            ),
        ),
        Get(TransitiveTargets, TransitiveTargetsRequest(addresses)),
    )
    # mkdocs loads hooks by path, not as modules.
    files = await Get(
        SourceFiles,
        SourceFilesRequest(target.get(SourcesField) for target in transitive.closure),
    )
    return SiteGenerator(pex, files.snapshot.digest)


@rule(desc="Build a site with mkdocs", level=LogLevel.DEBUG)
async def package_site(field_set: MkdocsSiteFieldSet) -> BuiltPackage:
    generator, sources, read, repository = await MultiGet(
        Get(SiteGenerator, SiteDependenciesField, field_set.dependencies),
        Get(SourceFiles, SourceFilesRequest([field_set.sources])),
        Get(Snapshot, PathGlobs(field_set.reads.value or ())),
        Get(Repository, RepositoryRequest()),
    )
    shown = (sources.snapshot, read)
    executed = await Get(
        ExecutedNotebooks,
        NotebooksRequest(tuple(file for snapshot in shown for file in snapshot.files)),
    )
    digests = (
        generator.sources,
        repository.digest,
        executed.digest,
        *(snapshot.digest for snapshot in shown),
    )
    result = await Get(
        ProcessResult,
        VenvPexProcess(
            generator.pex,
            argv=(
                "build",
                "--strict",
                f"--config-file={os.path.join(field_set.address.spec_path, 'mkdocs.yml')}",
                f"--site-dir={{chroot}}/{BUILT}",
            ),
            description=f"Build {field_set.address}",
            input_digest=await Get(Digest, MergeDigests(digests)),
            output_directories=(BUILT,),
            extra_env={
                "DOCS_TARGETS": TARGETS_FILE,
                "DOCS_EXECUTED": EXECUTED,
                # Turns off an advertisement, which would be the only output of a successful build.
                "NO_MKDOCS_2_WARNING": "1",
                # The only date that mkdocs writes. A fixed one makes the site reproducible.
                "SOURCE_DATE_EPOCH": "315532800",
            },
            level=LogLevel.INFO,
        ),
    )
    site = await Get(Digest, RemovePrefix(result.output_digest, BUILT))
    place = field_set.output_path.value_or_default(file_ending=None)
    return BuiltPackage(await Get(Digest, AddPrefix(site, place)), (BuiltPackageArtifact(place),))


def rules():
    return (*collect_rules(), UnionRule(PackageFieldSet, MkdocsSiteFieldSet))
