"""One lockfile with other versions of some packages, and all else as it was.

`./pants generate-lockfiles` resolves everything anew, and so upgrades whatever has a newer version
somewhere. Pex, which Pants calls for that, can change a lockfile: `pex3 lock update` holds whatever
is locked, but for what it is told. What has to move with it is not known before, so what stands in
the way, as pip says, is let go, and it is tried again.
"""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cli.errors import UserError
from cli.terminal import say
from tools.upgrade.requirement_lines import with_version
from tools.workspace.pants import PantsError, call_pants

_PEX, _PIP = "3rdparty/python/tools:pex3", "3rdparty/python/tools:pip"
_HEADER = re.compile(
    r"(?P<before>.*?^// --- BEGIN[^\n]*\n)(?P<told>.*?)"
    r"(?P<after>^// --- END[^\n]*\n)\n(?P<lock>\{.*)",
    re.M | re.S,
)
# `The user requested (constraint) mlflow-tracing==3.17.2`
_IN_THE_WAY = re.compile(r"The user requested (?:\(constraint\) )?([\w.-]+)")
_OF_PIP = re.compile(r"^\s*pip: +(.*)", re.M)
_MOST_TRIES = 12


class UnresolvableError(UserError):
    """No set of versions fits; `reason` is the resolver's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Lockfile:
    """A lockfile as Pants writes it: a header, and what Pex locked."""

    header: Mapping[str, Any]
    lock: Mapping[str, Any]
    before: str
    after: str

    @classmethod
    def parse(cls, text: str) -> Lockfile:
        """Read one."""
        found = _HEADER.fullmatch(text)
        if not found:
            raise UserError("expected a lockfile that Pants wrote.")
        told = re.sub(r"^// ?", "", found["told"], flags=re.M)
        return cls(json.loads(told), json.loads(found["lock"]), found["before"], found["after"])

    def pins(self) -> dict[str, str]:
        """The version of each package."""
        return {
            canonicalize_name(one["project_name"]): one["version"]
            for resolve in self.lock["locked_resolves"]
            for one in resolve["locked_requirements"]
        }

    def with_lock(self, lock: Mapping[str, Any], versions: Mapping[str, str]) -> Lockfile:
        """As Pants would have written it of requirements at these versions."""
        key = "generated_with_requirements"
        header = {**self.header, key: _at(self.header[key], versions)}
        # Pants' own order and text, which Pex' differ from.
        asked = {**lock, "requirements": _at(self.lock["requirements"], versions)}
        return Lockfile(header, asked, self.before, self.after)

    def to_text(self) -> str:
        """As it stands in a file."""
        told = json.dumps(self.header, indent=2).splitlines()
        commented = "".join(f"// {line}\n" for line in told)
        lock = json.dumps(self.lock, indent=2)
        return f"{self.before}{commented}{self.after}\n{lock}\n"


@dataclass
class LockUpdate:
    """Tries to move some packages of a lockfile."""

    root: Path
    lockfile: Lockfile
    direct: Mapping[str, Requirement]
    let_go: list[str] = field(default_factory=list)

    def move(self, wanted: Mapping[str, str]) -> Lockfile:
        """With packages that are required at other versions.

        Raises:
            UnresolvableError: they fit with nothing.
        """
        self.let_go.clear()
        for _ in range(_MOST_TRIES):
            try:
                lock = self._pex(wanted)
            except PantsError as error:
                said = str(error)
                if not self._let_go(said, wanted):
                    raise UnresolvableError(_reason(said)) from error
                continue
            found = Lockfile(self.lockfile.header, lock, "", "").pins()
            moved = {name: found[name] for name in (*wanted, *self.let_go) if name in self.direct}
            return self.lockfile.with_lock(lock, moved)
        raise UnresolvableError(f"nothing fitted in {_MOST_TRIES} tries.")

    def _let_go(self, said: str, wanted: Mapping[str, str]) -> bool:
        """Hold no longer what stands in the way; whether there is something."""
        found = [canonicalize_name(name) for name in _IN_THE_WAY.findall(said)]
        new = [
            name
            for name in dict.fromkeys(found)
            if name not in wanted and name not in self.let_go and name in self.lockfile.pins()
        ]
        if new:
            say(f"  {', '.join(new)} has to move, too …")
        self.let_go += new
        return bool(new)

    def _pex(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        options = []
        for name, version in wanted.items():
            options += ["-R", with_version(_plain(self.direct[name]), version)]
        for name in self.let_go:
            # What is required stays so, at any version; what only others need may move.
            options += ["-R", _plain(self.direct[name])] if name in self.direct else ["-p", name]
        with tempfile.TemporaryDirectory(prefix="lock-") as folder:
            file = Path(folder) / "lock.json"
            file.write_text(json.dumps(self.lockfile.lock))
            call = ["run", _PEX, "--", "lock", "update", *_indexes(self.root), *options, str(file)]
            call_pants(self.root, call, lines=None)
            told: dict[str, Any] = json.loads(file.read_text())
        return told


def versions_of(root: Path, name: str) -> list[str]:
    """The final versions of a package that the index has for our Python, the newest first.

    Raises:
        UserError: the index cannot be asked, or has none.
    """
    indexes = _python_repos(root)
    call = ["run", _PIP, "--", "index", "versions", name, "--json", "--disable-pip-version-check"]
    for number, index in enumerate(indexes):
        call += ["--extra-index-url" if number else "--index-url", index]
    try:
        told = json.loads(call_pants(root, call, lines=None))
    except PantsError as error:
        raise UserError(f"{name}: its versions cannot be had. {_last(str(error))}") from error
    return [str(version) for version in told["versions"]]


def _indexes(root: Path) -> list[str]:
    indexes = _python_repos(root)
    return ["--no-pypi", *(f"--index={index}" for index in indexes)] if indexes else []


def _python_repos(root: Path) -> list[str]:
    """The indexes that Pants resolves from; none for PyPI."""
    told = tomllib.loads((root / "pants.toml").read_text())
    return [str(index) for index in told.get("python-repos", {}).get("indexes", [])]


def _plain(requirement: Requirement) -> str:
    """Without versions."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}{marker}"


def _at(requirements: Iterable[str], versions: Mapping[str, str]) -> list[str]:
    named = [(canonicalize_name(Requirement(one).name), one) for one in requirements]
    return sorted(
        with_version(one, versions[name]) if name in versions else one for name, one in named
    )


def _reason(said: str) -> str:
    """What pip says of why nothing fits, without its advice."""
    told = [line for line in _OF_PIP.findall(said) if line.strip()]
    kept: list[str] = []
    for line in told:
        if line.startswith("To fix this"):
            break
        if not line.startswith(("ERROR: Ignored", "ERROR: ResolutionImpossible")):
            kept.append(line.removeprefix("ERROR: "))
    return "\n  ".join(kept) or _last(said)


def _last(said: str) -> str:
    lines: Sequence[str] = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "Pex does not say why."
