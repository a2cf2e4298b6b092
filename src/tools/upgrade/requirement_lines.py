"""The lines that require packages, and what a new version makes of them."""

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
    """A requirement that stands in a file, for a resolve."""

    resolve: str
    file: Path
    requirement: Requirement

    @property
    def name(self) -> str:
        """The package's name, as indexes spell it."""
        return canonicalize_name(self.requirement.name)


def read_lines(root: Path, resolve: str = "") -> list[Line]:
    """The requirements of all resolves, or of one.

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


def asked_for(names: Iterable[str]) -> dict[str, Requirement]:
    """What a person names, by the packages' names.

    Raises:
        InputError: something is no requirement.
    """
    asked: dict[str, Requirement] = {}
    for text in names:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise InputError(f"{text!r}: expected a name such as rich or rich==15.0.0.") from error
        asked[canonicalize_name(requirement.name)] = requirement
    return asked


def check_known(asked: Iterable[str], lines: Sequence[Line], *, where: str) -> None:
    """Refuse what nothing requires.

    Raises:
        InputError: a name is in no file; names those that are near.
    """
    known = sorted({line.name for line in lines})
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
            raise InputError(
                f"{name!r} is required by no file {where}{hint} What others need moves with them, "
                "and is named by no file."
            )


def with_version(text: str, version: str) -> str:
    """A requirement at another version; extras, marker and comment stay."""
    found = _LINE.fullmatch(text)
    assert found, text
    return f"{found['name'].rstrip()}=={version}{found['rest']}"


def rewritten(content: str, versions: dict[str, str]) -> str:
    """A file of requirements with some at other versions."""
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
