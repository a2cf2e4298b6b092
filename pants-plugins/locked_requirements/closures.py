"""Compute the packages that a requirement needs from a Pex lockfile. No Pants rules."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from packaging.utils import canonicalize_name
from pants.backend.python.pip_requirement import PipRequirement
from pants.backend.python.util_rules.pex_requirements import strip_comments_from_pex_json_lockfile

# One extra of one project; the extra "" is the project itself.
Node = tuple[str, str]

_DIST = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^]]*)\])?[^;]*(?:;(?P<marker>.*))?",
    re.DOTALL,
)
_EXTRA = re.compile(r"\bextra\s*==\s*[\"'](?P<extra>[^\"']+)[\"']")


@cache
def _canonical(name: str) -> str:
    return canonicalize_name(name)


@dataclass(frozen=True)
class Pin:
    """One locked version; `needs` are the dependencies by extra ("": those of every user)."""

    version: str
    digest: str
    needs: Mapping[str, tuple[Node, ...]]


@dataclass(frozen=True)
class Lock:
    pins: Mapping[str, tuple[Pin, ...]]

    def versions(self, project: str) -> tuple[str, ...]:
        return tuple(pin.version for pin in self.pins.get(_canonical(project), ()))


def parse_lock(content: bytes) -> Lock:
    """Parse a lockfile. A project may have several pins, for different interpreters."""
    locked = json.loads(strip_comments_from_pex_json_lockfile(content))
    pins: dict[str, tuple[Pin, ...]] = {}
    for resolve in locked["locked_resolves"]:
        for requirement in resolve["locked_requirements"]:
            name = _canonical(requirement["project_name"])
            pins[name] = (*pins.get(name, ()), _parse_pin(requirement))
    return Lock(pins)


def _parse_pin(requirement: Mapping[str, Any]) -> Pin:
    hashes = sorted(f"{a['algorithm']}:{a['hash']}" for a in requirement["artifacts"])
    needs: dict[str, tuple[Node, ...]] = {}
    for dist in requirement["requires_dists"]:
        for extra, nodes in _parse_dist(dist):
            needs[extra] = (*needs.get(extra, ()), *nodes)
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]
    return Pin(requirement["version"], f"sha256:{digest}", needs)


def _parse_dist(dist: str) -> Iterator[tuple[str, tuple[Node, ...]]]:
    match = _DIST.match(dist)
    if match is None:
        raise ValueError(f"Not a requirement: {dist!r}")
    # All markers but `extra ==` are ignored: a closure has the packages of all platforms.
    asked_by = {_canonical(extra) for extra in _EXTRA.findall(match["marker"] or "")} or {""}
    nodes = _nodes(match["name"], (match["extras"] or "").split(","))
    for extra in asked_by:
        yield extra, nodes


def _nodes(name: str, extras: Iterable[str]) -> tuple[Node, ...]:
    wanted = {"", *(_canonical(extra.strip()) for extra in extras)}
    return tuple((_canonical(name), extra) for extra in sorted(wanted))


def closure_of(requirements: Iterable[PipRequirement], lock: Lock) -> tuple[str, ...]:
    """One sorted line per locked project that the requirements may install, themselves included."""
    todo = [
        node
        for requirement in requirements
        for node in _nodes(
            requirement.project_name, requirement.as_pkg_resources_requirement().extras
        )
    ]
    seen = set()
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            name, extra = node
            for pin in lock.pins.get(name, ()):
                todo.extend(pin.needs.get(extra, ()))
    return tuple(
        sorted(
            f"{name}=={pin.version}  {pin.digest}"
            for name in {name for name, _ in seen}
            for pin in lock.pins.get(name, ())
        )
    )


def missing_from(lock: Lock, requirement: PipRequirement) -> str | None:
    """Why the lockfile does not satisfy the requirement, or None if it does."""
    parsed = requirement.as_pkg_resources_requirement()
    versions = lock.versions(requirement.project_name)
    if any(version in parsed for version in versions):
        return None
    if versions:
        return f"the lockfile has {', '.join(versions)}"
    # Pex does not lock packages that the resolve's interpreters can never install.
    return None if parsed.marker else "it is not in the lockfile"


def render_closure(requirements: Iterable[PipRequirement], *, resolve: str, lock: Lock) -> str:
    """The content of a closure file. It changes when the requirement's users must be tested."""
    requirements = tuple(requirements)
    # Not the name of the launcher that was called: every user must write the same bytes.
    header = (
        *sorted({str(requirement) for requirement in requirements}),
        "",
        f"Everything it needs in the resolve `{resolve}`. A change here affects its users.",
        "`pants fmt` writes this file from the lockfile: do not edit.",
    )
    lines = (*(f"# {line}".rstrip() for line in header), "", *closure_of(requirements, lock))
    return "\n".join(lines).rstrip() + "\n"
