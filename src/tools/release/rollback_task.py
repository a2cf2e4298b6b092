"""Plan a rollback: what it changes, and its steps."""

from __future__ import annotations

from cli.errors import UserError
from tools.release.artifacts import Registry
from tools.release.environment import DeploymentEnvironment
from tools.release.plan import (
    NOTHING,
    Plan,
    Row,
    declaration_digest,
    diff_declarations,
    image_digest,
    shorten,
)
from tools.release.release import Record, Release
from tools.release.steps import switch_release


def plan_rollback(environment: DeploymentEnvironment, target: Record, registry: Registry) -> Plan:
    """Plan to run an earlier release.

    Raises:
        UserError: its image or its version no longer exists, or something cannot be read.
    """
    bundle, current, release = environment.bundle, environment.current(), target.release
    _check_exists(environment, release, registry)
    declared = bundle.folder.read(bundle.declaration_file)
    aliased = environment.aliased_version()
    assert current
    alias = f"alias {environment.versions.alias}"
    rows = (
        Row("release", str(current.release), str(release.release)),
        Row("commit", shorten(current.commit), shorten(release.commit)),
        Row("image", image_digest(current.image), image_digest(release.image)),
        Row(
            "image of other tasks",
            image_digest(current.shared_image),
            image_digest(release.shared_image),
        ),
        Row("version", current.version, release.version),
        Row(alias, aliased or NOTHING, release.version),
        Row("DAG", declaration_digest(declared), declaration_digest(target.declaration)),
    )
    # Rows show shortened digests.
    if declared == target.declaration and not any(row.is_change for row in rows):
        return Plan(environment.title, release.release, rows, (), ())
    details = diff_declarations(declared, target.declaration, bundle.declaration_file)
    steps = switch_release(environment, lambda: target, aliased)
    return Plan(environment.title, release.release, rows, tuple(details), tuple(steps))


def _check_exists(environment: DeploymentEnvironment, release: Release, registry: Registry) -> None:
    for image in release.images:
        name, _, digest = image.partition("@")
        if registry.digest(name.removeprefix(f"{environment.registry}/"), digest) != digest:
            raise UserError(
                f"{environment.title}: the image of release {release.release}, {image}, no longer "
                "exists. Roll back to another release with --to, or deploy."
            )
    if environment.versions.find(release.version) is None:
        raise UserError(
            f"{environment.title}: version {release.version} of release {release.release} no "
            f"longer exists in {environment.versions.uri}. Roll back to another release with --to, "
            "or deploy."
        )
