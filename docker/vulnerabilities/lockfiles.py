"""What a lockfile holds, and where the lockfile of a resolve is."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vulnerabilities.failures import UsageError


@dataclass(frozen=True, order=True)
class Package:
    """One package at one version."""

    name: str
    version: str


def find_root() -> Path:
    """The repository that one stands in."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pants.toml").is_file():
            return folder
    raise UsageError(f"{here} is in no repository with a pants.toml: call this inside of one.")


def lockfile_of(resolve: str, root: Path) -> Path:
    """The lockfile that pants.toml names for a resolve."""
    resolves = tomllib.loads((root / "pants.toml").read_text())["python"]["resolves"]
    if resolve not in resolves:
        raise UsageError(f"No resolve {resolve!r}; resolves: {', '.join(sorted(resolves))}.")
    return root / str(resolves[resolve])


def read_all(lockfiles: Iterable[Path]) -> list[Package]:
    """Every package of all lockfiles, once, in order."""
    return sorted({package for lockfile in lockfiles for package in read(lockfile)})


def read(lockfile: Path) -> list[Package]:
    """The packages of a lockfile as Pants and Pex write it: JSON below a header of `//` lines."""
    try:
        text = lockfile.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(lockfile, f"cannot be read ({type(error).__name__})") from error
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    try:
        locked = json.loads("\n".join(lines))["locked_resolves"]
        packages = [
            Package(requirement["project_name"], requirement["version"])
            for resolve in locked
            for requirement in resolve["locked_requirements"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(lockfile, "is no lockfile of Pex") from error
    if not packages:
        raise _damaged(lockfile, "locks no package")
    return packages


def _damaged(lockfile: Path, problem: str) -> UsageError:
    return UsageError(
        f"{lockfile}: {problem}. Name another with --lockfile or --resolve, or write it anew: "
        "./pants generate-lockfiles --resolve=NAME"
    )
