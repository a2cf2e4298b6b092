"""Read and change the lines of requirements files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cli.errors import InputError
from tools.workspace.lockfiles import requirement_files

_LINE = re.compile(
    r"(?P<name>\s*[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\])?)(?P<versions>[^;#]*?)(?P<rest>\s*(?:[;#].*)?)"
)


@dataclass(frozen=True)
class Line:
    """A requirement in a file, for a resolve."""

    resolve: str
    file: Path
    requirement: Requirement

    @property
    def name(self) -> str:
        """The package's canonical name."""
        return canonicalize_name(self.requirement.name)


def read_lines(root: Path, resolve: str = "") -> list[Line]:
    """Read the requirements of all resolves, or of one.

    Raises:
        InputError: there is no such resolve.
    """
    files = requirement_files(root)
    known = sorted({one for one, _ in files})
    if resolve and resolve not in known:
        raise InputError(f"--resolve: no resolve {resolve!r}; resolves: {', '.join(known)}.")
    return [
        Line(of, file, Requirement(text))
        for of, file in files
        if resolve in ("", of)
        for text in _requirements(file.read_text())
    ]


def parse_requirements(names: Iterable[str]) -> dict[str, Requirement]:
    """Parse requirements such as rich or rich==15.0.0; return them by canonical name.

    Raises:
        InputError: one is not a valid requirement.
    """
    asked: dict[str, Requirement] = {}
    for text in names:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise InputError(
                f"{text!r}: expected a requirement such as rich or rich==15.0.0."
            ) from error
        asked[canonicalize_name(requirement.name)] = requirement
    return asked


def check_known(asked: Iterable[str], lines: Sequence[Line], resolve: str = "") -> None:
    """Refuse names that no requirements file has.

    Raises:
        InputError: no file has a name; suggests similar ones.
    """
    files = f"No requirements file of the resolve {resolve}" if resolve else "No requirements file"
    known = sorted({line.name for line in lines})
    for name in asked:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
            raise InputError(
                f"{files} has {name!r}{hint} Only direct requirements can be upgraded; the "
                "packages that they need follow."
            )


def with_version(text: str, version: str) -> str:
    """A requirement at another version; extras, marker and comment stay."""
    found = _LINE.fullmatch(text)
    assert found, text
    return f"{found['name'].rstrip()}=={version}{found['rest']}"


def with_versions(content: str, versions: dict[str, str]) -> str:
    """The content of a requirements file, with some requirements at other versions."""
    lines = []
    for line in content.splitlines(keepends=True):
        plain = line.rstrip("\n")
        (requirement,) = _requirements(plain) or ("",)
        name = canonicalize_name(Requirement(requirement).name) if requirement else ""
        ending = line[len(plain) :]
        lines.append(with_version(plain, versions[name]) + ending if name in versions else line)
    return "".join(lines)


def _requirements(content: str) -> list[str]:
    plain = (re.sub(r"(^|\s)#.*", "", line).strip() for line in content.splitlines())
    return [line for line in plain if line and not line.startswith("-")]
