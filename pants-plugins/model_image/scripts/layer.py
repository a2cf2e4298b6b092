"""Makes one layer of an image: a tar file that is the same, byte for byte, wherever it is made.

Files are sorted, belong to root, and bear one date; byte code names its source's place in the image
and is valid by that source's hash, so that Python neither checks nor writes it there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from operator import itemgetter
from pathlib import Path

from packaging.utils import canonicalize_name

# The earliest that every archive format can hold: a date that says nothing.
EPOCH = 315532800
LONGEST_LICENCE = 80
# Folders within folders that are looked through for modules.
DEEPEST = 100


def unpack(pex: Path, folder: Path, complete_platforms: Sequence[str]) -> None:
    """Lay the distributions of a PEX into a folder, as `pip install --target` would."""
    command = [sys.executable, "-m", "pex.cli", "venv", "create", "--layout=flat", "--scope=deps"]
    command += [f"--pex-repository={pex}", f"--dest-dir={folder}", "--pex-root=.pex-root"]
    # Without copies, files would be links into PEX' own cache.
    command += ["--site-packages-copies", "--disable-cache", "--collisions-ok"]
    for file in complete_platforms:
        command += ["--complete-platform", file]
    subprocess.run(command, check=True, stdout=sys.stderr)


def patterns(text: str) -> list[str]:
    """The globs of a list: a line each, `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def leave_out(folder: Path, globs: Iterable[str]) -> None:
    """Remove what matches, files and whole folders."""
    for glob in globs:
        for path in sorted(folder.glob(glob)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.is_symlink() or path.exists():
                path.unlink()


def compile_all(folder: Path, place: str) -> None:
    """Compile each module; a file that is no Python of this version stays as it is."""
    command = [sys.executable, "-m", "compileall", "-qq", "-j", "1", "-r", str(DEEPEST)]
    command += ["--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", f"/{place}", str(folder)]
    # Constant sets are written in the order of their hashes, which Python draws at each start; and
    # whether two are one depends on the strings that it has met: one process, in one order.
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, stdout=sys.stderr)


def describe(folder: Path) -> list[dict[str, str]]:
    """Name, version and licence of each distribution in a folder."""
    found = []
    for distribution in metadata.distributions(path=[str(folder)]):
        told = distribution.metadata
        licence = told.get("License-Expression") or told.get("License") or ""
        found.append(
            {
                "name": canonicalize_name(distribution.name),
                "version": distribution.version,
                # Some put the whole text there.
                "licence": licence if len(licence) <= LONGEST_LICENCE else "",
            }
        )
    return sorted(found, key=itemgetter("name"))


def members(folder: Path, place: str) -> Iterator[tuple[str, Path | None]]:
    """Names in the archive with what they hold, parents first; None for a folder above ours."""
    parts = place.split("/")
    for depth in range(1, len(parts)):
        yield "/".join(parts[:depth]), None
    yield place, folder
    for path in sorted(folder.rglob("*")):
        yield f"{place}/{path.relative_to(folder).as_posix()}", path


def as_anybody(name: str, path: Path | None) -> tarfile.TarInfo:
    """A member that tells nothing of who made it, where or when."""
    info = tarfile.TarInfo(name)
    info.mtime = EPOCH
    if path is None or (path.is_dir() and not path.is_symlink()):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif path.is_symlink():
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, os.readlink(path)
    else:
        info.size = path.stat().st_size
        info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return info


def pack(folder: Path, place: str, output: Path) -> None:
    """Write a folder as a tar file in which it lies at `place`."""
    partial = output.with_name(f"{output.name}.partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in members(folder, place):
            info = as_anybody(name, path)
            if path is not None and info.isreg():
                with path.open("rb") as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)
    partial.replace(output)


def main() -> None:
    """Make a layer from a PEX' distributions or from a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pex", type=Path, help="a PEX whose distributions make the layer")
    parser.add_argument("--complete-platform", action="append", default=[])
    parser.add_argument("--left-out", type=Path, help="a list of globs of what the layer lacks")
    parser.add_argument("--folder", type=Path, required=True, help="what makes the layer")
    parser.add_argument("--place", required=True, help="where it lies in the image, without a /")
    parser.add_argument("--components", type=Path, help="a file for the distributions' names")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    if options.pex:
        unpack(options.pex, options.folder, options.complete_platform)
    globs = patterns(options.left_out.read_text()) if options.left_out else []
    leave_out(options.folder, globs)
    if options.components:
        options.components.write_text(json.dumps(describe(options.folder), indent=2))
    compile_all(options.folder, options.place)
    # Once more: byte code that is not wanted is only there now.
    leave_out(options.folder, globs)
    pack(options.folder, options.place, options.output)


if __name__ == "__main__":
    main()
