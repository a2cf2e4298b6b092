"""`--changed-dependents` names what depends on a change, and not its siblings.

Pants 2.17 leaves the generator of a dependent (`tests/integration:tests`) in its answer, since a
generator depends on what it generates. A goal takes it for all that it generates: `test` then runs
each test of a folder of which one depends on the change. Only generators of the changed files
themselves are left out (https://github.com/pantsbuild/pants/issues/15313).
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
            # What is filtered out may have dependents that are not.
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
    # Unexpanded: a generator that is an owner, as where a file of its is gone, stays what it is.
    targets = await Get(UnexpandedTargets, Addresses(FrozenOrderedSet((*owners, *dependents))))
    return ChangedAddresses(
        target.address
        for target in targets
        if (target.address in owners or not isinstance(target, TargetGenerator))
        and specs_filter.matches(target)
    )


def take_over() -> None:
    """Pants collects the rules of a module by the module's names, after backends are loaded."""
    changed.find_changed_owners = find_changed_owners
