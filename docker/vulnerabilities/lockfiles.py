"""Find the lockfile of a resolve, and read its packages."""

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
    """The repository that contains the working folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pants.toml").is_file():
            return folder
    raise UsageError(f"{here} is not in a repository with a pants.toml. Run this inside of one.")


def lockfile_of(resolve: str, root: Path) -> Path:
    """The lockfile that pants.toml names for a resolve."""
    resolves = tomllib.loads((root / "pants.toml").read_text())["python"]["resolves"]
    if resolve not in resolves:
        raise UsageError(f"No resolve {resolve!r}. Expected one of: {', '.join(sorted(resolves))}.")
    return root / str(resolves[resolve])


def read_all(lockfiles: Iterable[Path]) -> list[Package]:
    """The packages of all lockfiles, sorted and without duplicates."""
    return sorted({package for lockfile in lockfiles for package in read(lockfile)})


def read(lockfile: Path) -> list[Package]:
    """Read a lockfile of Pants and Pex: JSON after a header of `//` lines."""
    try:
        text = lockfile.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(lockfile, f"cannot be read ({type(error).__name__})") from error
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    try:
        locked = json.loads("\n".join(lines))["locked_resolves"]
        packages = [
            Package(requirement["project_name"], requirement["version"])
            for resolve in locked
            for requirement in resolve["locked_requirements"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid(lockfile, "is not a lockfile of Pex") from error
    if not packages:
        raise _invalid(lockfile, "locks no packages")
    return packages


def _invalid(lockfile: Path, problem: str) -> UsageError:
    return UsageError(
        f"{lockfile}: {problem}. Use another one with --lockfile or --resolve, or recreate it: "
        "./pants generate-lockfiles --resolve=NAME"
    )
