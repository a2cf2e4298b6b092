"""Read lockfiles and their requirements, with the standard library only."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.errors import UserError

SETTINGS = "pants.toml"
# The BUILD files below these folders declare requirements.
FOLDERS = ("3rdparty/python", "pants-plugins")
_FILE_TARGETS = ("python_requirements", "locked_requirements")
_HEADER = re.compile(r"^// --- BEGIN PANTS LOCKFILE METADATA.*?\n(.*?)^// --- END", re.M | re.S)


@dataclass(frozen=True)
class Stale:
    """A lockfile that does not match the requirements."""

    resolve: str
    problem: str


def resolves(root: Path) -> dict[str, str]:
    """The lockfile of each resolve in pants.toml."""
    section = re.search(
        r"^\[python\.resolves\]\n(.*?)(?=^\[|\Z)", (root / SETTINGS).read_text(), re.M | re.S
    )
    if not section:
        raise UserError(f"{SETTINGS} has no section [python.resolves].")
    return dict(re.findall(r'^([\w-]+) = "([^"]+)"', section[1], re.M))


def python_version(root: Path) -> str:
    """The Python version of our code, such as 3.13."""
    text = (root / SETTINGS).read_text()
    found = re.search(r'^interpreter_constraints = \["CPython==(3\.\d+)\.\*"\]', text, re.M)
    if not found:
        raise UserError(f'{SETTINGS} has no line `interpreter_constraints = ["CPython==3.N.*"]`.')
    return found[1]


def stale(root: Path) -> list[Stale]:
    """The resolves whose lockfile is missing or does not match the requirements."""
    required: dict[str, set[str]] = {resolve: set() for resolve in resolves(root)}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("BUILD")):
            for resolve, requirement in _requirements(file):
                required.setdefault(resolve, set()).add(_normal(requirement))
    found = []
    for resolve, lockfile in resolves(root).items():
        problem = _problem(root / lockfile, required[resolve])
        if problem:
            found.append(Stale(resolve, problem))
    return found


def quoted(path: Path) -> str:
    """A path, quoted for a shell."""
    return shlex.quote(str(path))


def _problem(lockfile: Path, required: Iterable[str]) -> str:
    if not lockfile.exists():
        return f"{lockfile.name} is missing"
    header = _HEADER.search(lockfile.read_text())
    if not header:
        return f"{lockfile.name} has no header with its requirements"
    metadata = json.loads(re.sub(r"^//", "", header[1], flags=re.M))
    locked = {_normal(one): one for one in metadata["generated_with_requirements"]}
    missing = sorted(set(required) - locked.keys())
    needless = sorted(locked[one] for one in locked.keys() - set(required))
    if missing:
        return f"{lockfile.name} lacks {', '.join(missing)}"
    return f"{lockfile.name} has {', '.join(needless)}" if needless else ""


def requirement_files(root: Path) -> list[tuple[str, Path]]:
    """The requirements files that BUILD files name, each with its resolve."""
    return [
        (resolve, file.parent / _constant(call, "source"))
        for folder in FOLDERS
        for file in sorted((root / folder).rglob("BUILD"))
        for resolve, call in calls(file)
        if name_of(call) in _FILE_TARGETS
    ]


def _requirements(file: Path) -> Iterator[tuple[str, str]]:
    """Each requirement of a BUILD file and of the files that it names, with its resolve."""
    for resolve, call in calls(file):
        if name_of(call) in _FILE_TARGETS:
            lines = (file.parent / _constant(call, "source")).read_text().splitlines()
            plain = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
            yield from ((resolve, line) for line in plain if line)
        elif name_of(call) == "python_requirement":
            yield from ((resolve, one) for one in constants(call, "requirements"))


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """The targets of a BUILD file as calls, each with its resolve."""
    default = "default"
    for statement in ast.parse(file.read_text()).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            if name_of(call) == "__defaults__":
                default = _constant(call, "resolve") or default
            yield _constant(call, "resolve") or default, call


def name_of(call: ast.Call) -> str:
    """The target type, or another function that a BUILD file calls."""
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _constant(call: ast.Call, keyword: str) -> str:
    return next(iter(constants(call, keyword)), "")


def constants(call: ast.Call, keyword: str) -> list[str]:
    """The string constants of a keyword argument, in the call or in calls inside it."""
    given = [
        node.value
        for node in ast.walk(call)
        if isinstance(node, ast.keyword) and node.arg == keyword
    ]
    nodes = [node for value in given for node in ast.walk(value)]
    return [str(node.value) for node in nodes if isinstance(node, ast.Constant)]


def _normal(requirement: str) -> str:
    """A requirement in a canonical form."""
    plain, _, marker = re.sub(r"\s", "", requirement).replace("'", '"').partition(";")
    match = re.match(r"([\w.-]+)(?:\[([^]]*)\])?(.*)", plain)
    if not match:
        return requirement
    name, extras, versions = match[1], match[2] or "", match[3]
    parts = [
        re.sub(r"[-_.]+", "-", name).lower(),
        f"[{','.join(sorted(extras.lower().split(',')))}]" if extras else "",
        ",".join(sorted(versions.split(","))),
        marker and f";{marker}",
    ]
    return "".join(parts)
