"""A mirror of Pythons to install, made of the interpreters of this machine.

The real one cannot be reached from every machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

# Of the standard library, what nobody here imports.
LEFT_OUT = re.compile(
    r"(__pycache__|config-.*|ensurepip|idlelib|lib2to3|pydoc_data|site-packages|tests?|tkinter|turtle.*|.*\.a)"
)
DESCRIBE = """\
import json, os, platform, sys, sysconfig
print(json.dumps({
    "executable": os.path.realpath(sys.executable),
    "machine": platform.machine(),
    "minor": "%d.%d" % sys.version_info[:2],
    "shared": sysconfig.get_config_var("Py_ENABLE_SHARED")
    and sysconfig.get_config_var("INSTSONAME"),
    "libdir": sysconfig.get_config_var("LIBDIR"),
    "stdlib": sysconfig.get_path("stdlib"),
}))
"""


@dataclass(frozen=True)
class Mirror:
    """A folder of archives, and the file that tells uv of them."""

    folder: Path

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads.json"

    @property
    def settings(self) -> dict[str, str]:
        return {"UV_PYTHON_DOWNLOADS_JSON_URL": self.downloads.as_uri()}

    @classmethod
    def make(cls, folder: Path, pythons: dict[str, Path]) -> Mirror:
        """Pack each interpreter as the version that it stands for, such as 3.13.18."""
        entries = {}
        for version, python in pythons.items():
            described = json.loads(
                subprocess.run(
                    [python, "-I", "-c", DESCRIBE], check=True, capture_output=True
                ).stdout
            )
            name = f"cpython-{version}-linux-{described['machine']}-gnu"
            archive = folder / f"{name}.tar.gz"
            _pack(described, archive)
            entries[name] = _entry(version, described["machine"], archive)
        mirror = cls(folder)
        mirror.downloads.write_text(json.dumps(entries))
        return mirror

    def changed(self, folder: Path, *, content: bytes | None = None, sha256: str = "") -> Mirror:
        """The same archives with another content or hash; `b""` is one that is missing."""
        entries = json.loads(self.downloads.read_text())
        for name, entry in entries.items():
            if content is not None:
                archive = folder / f"{name}.tar.gz"
                if content:
                    archive.write_bytes(content)
                entry.update(url=archive.as_uri(), sha256=hashlib.sha256(content).hexdigest())
            if sha256:
                entry["sha256"] = sha256
        changed = Mirror(folder)
        changed.downloads.write_text(json.dumps(entries))
        return changed


def _entry(version: str, machine: str, archive: Path) -> dict[str, object]:
    major, minor, patch = map(int, version.split("."))
    return {
        "name": "cpython",
        "arch": {"family": machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "20260101",
    }


def _pack(described: dict[str, str], archive: Path) -> None:
    """The layout of python-build-standalone, which is what uv expects; compressing takes longer."""
    minor = described["minor"]
    with tarfile.open(archive, "w:gz", compresslevel=0) as packed:
        _add(packed, f"python/bin/python{minor}", _moveable(described, described["executable"]))
        if described["shared"]:
            library = f"{described['libdir']}/{described['shared']}"
            _add(packed, f"python/lib/{described['shared']}", _moveable(described, library))
        packed.add(
            described["stdlib"],
            f"python/lib/python{minor}",
            filter=lambda member: None if LEFT_OUT.fullmatch(Path(member.name).name) else member,
        )


def _moveable(described: dict[str, str], file: str) -> bytes:
    """Let the program look for its library next to itself, not where it was installed."""
    content = Path(file).read_bytes()
    if not described["shared"]:
        return content
    before = described["libdir"].encode() + b"\0"
    return content.replace(before, b"$ORIGIN/../lib".ljust(len(before), b"\0"))


def _add(packed: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    packed.addfile(member, io.BytesIO(content))
