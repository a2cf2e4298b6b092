"""Change the versions of some packages in a lockfile, and keep all others.

`./pants generate-lockfiles` resolves all requirements again, and so upgrades every package that has
a newer version. `pex3 lock update` changes only the packages that it is given. If pip reports that
another locked package conflicts, we add that package and try again.
"""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
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
    r"(?P<before>.*?^// --- BEGIN[^\n]*\n)(?P<header>.*?)"
    r"(?P<after>^// --- END[^\n]*\n)\n(?P<lock>\{.*)",
    re.M | re.S,
)
# `The user requested (constraint) mlflow-tracing==3.17.2`
_CONFLICT = re.compile(r"The user requested (?:\(constraint\) )?([\w.-]+)")
_PIP_LINE = re.compile(r"^\s*pip: +(.*)", re.M)
_MOST_TRIES = 12


class UnresolvableError(UserError):
    """No set of versions is compatible; `reason` is the resolver's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Lockfile:
    """A lockfile as Pants writes it: a header, and Pex' lock."""

    header: Mapping[str, Any]
    lock: Mapping[str, Any]
    before: str
    after: str

    @classmethod
    def parse(cls, text: str) -> Lockfile:
        """Parse the content of a lockfile."""
        found = _HEADER.fullmatch(text)
        if not found:
            raise UserError("Expected a lockfile that Pants wrote.")
        header = re.sub(r"^// ?", "", found["header"], flags=re.M)
        return cls(json.loads(header), json.loads(found["lock"]), found["before"], found["after"])

    def pins(self) -> dict[str, str]:
        """The version of each package."""
        return {
            canonicalize_name(one["project_name"]): one["version"]
            for resolve in self.lock["locked_resolves"]
            for one in resolve["locked_requirements"]
        }

    def with_lock(self, lock: Mapping[str, Any], versions: Mapping[str, str]) -> Lockfile:
        """As Pants would write it for requirements at these versions."""
        key = "generated_with_requirements"
        header = {**self.header, key: _at(self.header[key], versions)}
        # Pants orders and formats requirements differently from Pex.
        asked = {**lock, "requirements": _at(self.lock["requirements"], versions)}
        return Lockfile(header, asked, self.before, self.after)

    def to_text(self) -> str:
        """The content of the file."""
        header = json.dumps(self.header, indent=2).splitlines()
        commented = "".join(f"// {line}\n" for line in header)
        lock = json.dumps(self.lock, indent=2)
        return f"{self.before}{commented}{self.after}\n{lock}\n"


@dataclass
class LockUpdate:
    """Changes the versions of some packages in a lockfile."""

    root: Path
    lockfile: Lockfile
    direct: Mapping[str, Requirement]
    unlocked: list[str] = field(default_factory=list)

    def move(self, wanted: Mapping[str, str]) -> Lockfile:
        """Return the lockfile with these packages at these versions.

        Raises:
            UnresolvableError: they are not compatible with the other requirements.
        """
        self.unlocked.clear()
        for _ in range(_MOST_TRIES):
            try:
                lock = self._pex(wanted)
            except PantsError as error:
                output = str(error)
                if not self._unlock_conflicts(output, wanted):
                    raise UnresolvableError(_reason(output)) from error
                continue
            found = Lockfile(self.lockfile.header, lock, "", "").pins()
            moved = {name: found[name] for name in (*wanted, *self.unlocked) if name in self.direct}
            return self.lockfile.with_lock(lock, moved)
        raise UnresolvableError(f"found no compatible versions in {_MOST_TRIES} tries.")

    def _unlock_conflicts(self, output: str, wanted: Mapping[str, str]) -> bool:
        """Let conflicting packages change too; return whether there are any."""
        found = [canonicalize_name(name) for name in _CONFLICT.findall(output)]
        new = [
            name
            for name in dict.fromkeys(found)
            if name not in wanted and name not in self.unlocked and name in self.lockfile.pins()
        ]
        if new:
            say(f"  {', '.join(new)} must change too …")
        self.unlocked += new
        return bool(new)

    def _pex(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        options = []
        for name, version in wanted.items():
            options += ["-R", with_version(_plain(self.direct[name]), version)]
        for name in self.unlocked:
            # Keep a direct requirement at any version; let Pex choose or drop a transitive one.
            options += ["-R", _plain(self.direct[name])] if name in self.direct else ["-p", name]
        with tempfile.TemporaryDirectory(prefix="lock-") as folder:
            file = Path(folder) / "lock.json"
            file.write_text(json.dumps(self.lockfile.lock))
            call = ["run", _PEX, "--", "lock", "update", *_indexes(self.root), *options, str(file)]
            call_pants(self.root, call, lines=None)
            lock: dict[str, Any] = json.loads(file.read_text())
        return lock


def list_versions(root: Path, name: str) -> list[str]:
    """The final versions of a package in the index for our Python, newest first.

    Raises:
        UserError: the index cannot be reached, or has no version.
    """
    indexes = _python_repos(root)
    call = ["run", _PIP, "--", "index", "versions", name, "--json", "--disable-pip-version-check"]
    for number, index in enumerate(indexes):
        call += ["--extra-index-url" if number else "--index-url", index]
    try:
        answer = json.loads(call_pants(root, call, lines=None))
    except PantsError as error:
        raise UserError(f"{name}: cannot list its versions. {_last_line(str(error))}") from error
    return [str(version) for version in answer["versions"]]


def _indexes(root: Path) -> list[str]:
    indexes = _python_repos(root)
    return ["--no-pypi", *(f"--index={index}" for index in indexes)] if indexes else []


def _python_repos(root: Path) -> list[str]:
    """The package indexes that Pants uses; empty for PyPI."""
    options = tomllib.loads((root / "pants.toml").read_text())
    return [str(index) for index in options.get("python-repos", {}).get("indexes", [])]


def _plain(requirement: Requirement) -> str:
    """A requirement without versions."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}{marker}"


def _at(requirements: Iterable[str], versions: Mapping[str, str]) -> list[str]:
    named = [(canonicalize_name(Requirement(one).name), one) for one in requirements]
    return sorted(
        with_version(one, versions[name]) if name in versions else one for name, one in named
    )


def _reason(output: str) -> str:
    """Pip's reason for a conflict, without its advice."""
    kept: list[str] = []
    for line in filter(str.strip, _PIP_LINE.findall(output)):
        if line.startswith("To fix this"):
            break
        if not line.startswith(("ERROR: Ignored", "ERROR: ResolutionImpossible")):
            kept.append(line.removeprefix("ERROR: "))
    return "\n  ".join(kept) or _last_line(output)


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "Pex gives no reason."
