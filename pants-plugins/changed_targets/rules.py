"""Remove target generators from `--changed-dependents`.

A generator (`tests/integration:tests`) depends on the targets it generates, so Pants 2.17 lists the
generator of each dependent. A goal expands it to all its targets: `test` then runs every test of a
folder if one of them depends on the change. Pants removes only the generators of the changed files
(https://github.com/pantsbuild/pants/issues/15313).
"""

from __future__ import annotations

from pants.backend.project_info.dependents import Dependents, DependentsRequest
from pants.engine.addresses import Addresses
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.internals.mapper import SpecsFilter
from pants.engine.rules import Get, rule
from pants.engine.target import TargetGenerator, UnexpandedTargets
from pants.util.ordered_set import FrozenOrderedSet
from pants.vcs import changed
from pants.vcs.changed import ChangedAddresses, ChangedRequest, DependentsOption


@rule
async def find_changed_owners(
    request: ChangedRequest, specs_filter: SpecsFilter
) -> ChangedAddresses:
    no_dependents = request.dependents == DependentsOption.NONE
    owners = await Get(
        Owners,
        OwnersRequest(
            request.sources,
            # A filtered target may have dependents that pass the filter.
            filter_by_global_options=no_dependents,
            match_if_owning_build_file_included_in_sources=True,
        ),
    )
    if no_dependents:
        return ChangedAddresses(owners)
    dependents = await Get(
        Dependents,
        DependentsRequest(
            owners,
            transitive=request.dependents == DependentsOption.TRANSITIVE,
            include_roots=False,
        ),
    )
    # Unexpanded: a generator that owns a deleted file stays a generator.
    targets = await Get(UnexpandedTargets, Addresses(FrozenOrderedSet((*owners, *dependents))))
    return ChangedAddresses(
        target.address
        for target in targets
        if (target.address in owners or not isinstance(target, TargetGenerator))
        and specs_filter.matches(target)
    )


def replace_rule() -> None:
    """Replace Pants' rule in its module; Pants collects a module's rules after loading backends."""
    changed.find_changed_owners = find_changed_owners
