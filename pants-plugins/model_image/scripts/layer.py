"""Build one layer of an image: a reproducible tar file.

Files are sorted, belong to root, and have a fixed date. Byte code contains its source's path in the
image and is validated by hash, so Python neither checks nor writes it in the image.
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

# 1980-01-01, the earliest date that every archive format supports.
EPOCH = 315532800
LONGEST_LICENCE = 80
# How deep to search folders for modules.
DEEPEST = 100


def unpack(pex: Path, folder: Path, complete_platforms: Sequence[str]) -> None:
    """Install the distributions of a PEX into a folder, like `pip install --target`."""
    command = [sys.executable, "-m", "pex.cli", "venv", "create", "--layout=flat", "--scope=deps"]
    command += [f"--pex-repository={pex}", f"--dest-dir={folder}", "--pex-root=.pex-root"]
    # Without copies, files would be links into Pex's cache.
    command += ["--site-packages-copies", "--disable-cache", "--collisions-ok"]
    for file in complete_platforms:
        command += ["--complete-platform", file]
    subprocess.run(command, check=True, stdout=sys.stderr)


def patterns(text: str) -> list[str]:
    """The globs in a text, one per line; `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def leave_out(folder: Path, globs: Iterable[str]) -> None:
    """Remove files and whole folders that match."""
    for glob in globs:
        for path in sorted(folder.glob(glob)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.is_symlink() or path.exists():
                path.unlink()


def compile_all(folder: Path, place: str) -> None:
    """Compile each module, and skip files that do not parse in this version of Python."""
    command = [sys.executable, "-m", "compileall", "-qq", "-j", "1", "-r", str(DEEPEST)]
    command += ["--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", f"/{place}", str(folder)]
    # Byte code stores constant sets in the order of their hashes, so the hash seed is fixed. Python
    # also merges equal sets depending on the strings it has seen, so there is only one process.
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, stdout=sys.stderr)


def describe(folder: Path) -> list[dict[str, str]]:
    """Name, version and licence of each distribution in a folder."""
    found = []
    for distribution in metadata.distributions(path=[str(folder)]):
        fields = distribution.metadata
        licence = fields.get("License-Expression") or fields.get("License") or ""
        found.append(
            {
                "name": canonicalize_name(distribution.name),
                "version": distribution.version,
                # Some packages put the whole text of the licence here.
                "licence": licence if len(licence) <= LONGEST_LICENCE else "",
            }
        )
    return sorted(found, key=itemgetter("name"))


def members(folder: Path, place: str) -> Iterator[tuple[str, Path | None]]:
    """Names in the archive with their files, parents first; None for folders above `place`."""
    parts = place.split("/")
    for depth in range(1, len(parts)):
        yield "/".join(parts[:depth]), None
    yield place, folder
    for path in sorted(folder.rglob("*")):
        yield f"{place}/{path.relative_to(folder).as_posix()}", path


def anonymous_member(name: str, path: Path | None) -> tarfile.TarInfo:
    """A member without owner, and with a fixed date and fixed permissions."""
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
    """Write a folder as a tar file that extracts to `place`."""
    partial = output.with_name(f"{output.name}.partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in members(folder, place):
            info = anonymous_member(name, path)
            if path is not None and info.isreg():
                with path.open("rb") as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)
    partial.replace(output)


def main() -> None:
    """Build a layer from the distributions of a PEX or from a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pex", type=Path, help="a PEX with the layer's distributions")
    parser.add_argument("--complete-platform", action="append", default=[])
    parser.add_argument("--left-out", type=Path, help="a file of globs to leave out")
    parser.add_argument("--folder", type=Path, required=True, help="the layer's content")
    parser.add_argument("--place", required=True, help="its path in the image, without the first /")
    parser.add_argument("--components", type=Path, help="the file to list the distributions in")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    if options.pex:
        unpack(options.pex, options.folder, options.complete_platform)
    globs = patterns(options.left_out.read_text()) if options.left_out else []
    leave_out(options.folder, globs)
    if options.components:
        options.components.write_text(json.dumps(describe(options.folder), indent=2))
    compile_all(options.folder, options.place)
    # Again, because some globs match byte code.
    leave_out(options.folder, globs)
    pack(options.folder, options.place, options.output)


if __name__ == "__main__":
    main()
