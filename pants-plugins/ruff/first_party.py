from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, collect_rules, rule
from pants.source.source_root import AllSourceRoots
from pants.util.logging import LogLevel


@dataclass(frozen=True)
class FirstPartyNames:
    """The top-level names that the source roots make importable, sorted."""

    names: tuple[str, ...]


def first_party_names(files: Iterable[str], *, roots: Iterable[str]) -> tuple[str, ...]:
    """Roots may be nested: a file counts for every root above it."""
    starts = tuple("" if root == "." else f"{root}/" for root in roots)
    names = {
        os.path.splitext(file[len(start) :].split("/")[0])[0]
        for file in files
        for start in starts
        if file.startswith(start)
    }
    return tuple(sorted(name for name in names - {"__init__"} if name.isidentifier()))


@rule(desc="Find first-party names for Ruff", level=LogLevel.DEBUG)
async def find_first_party_names(source_roots: AllSourceRoots) -> FirstPartyNames:
    roots = tuple(root.path for root in source_roots)
    globs = (os.path.normpath(f"{root}/**/*.{ext}") for root in roots for ext in ("py", "pyi"))
    paths = await Get(Paths, PathGlobs(globs))
    return FirstPartyNames(first_party_names(paths.files, roots=roots))


def rules():
    return collect_rules()
