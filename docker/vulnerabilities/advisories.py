"""What is known against packages: pip-audit asks, and OSV's records say how bad it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

from packaging.version import Version

from vulnerabilities.failures import AuditError, UnreachableError
from vulnerabilities.lockfiles import Package
from vulnerabilities.severity import Severity, of_record

OSV = "https://api.osv.dev"
SERVICES = ("osv", "pypi")
SECONDS = 15
_WRONG_COMMAND_LINE = 2
_SAYS_WHY = re.compile(r"(Error|Exception|Timeout|ERROR)\S*: ?\S|error: ")


@dataclass(frozen=True)
class Database:
    """Whom to ask; `osv` is OSV or a mirror, and has the severities for PyPI's answers too."""

    service: str = "osv"
    osv: str = OSV

    @property
    def hosts(self) -> str:
        """What has to be reached."""
        return self.osv if self.service == "osv" else f"https://pypi.org and {self.osv}"


@dataclass(frozen=True)
class Vulnerability:
    """One vulnerability of one package; `fixed_in` are the versions without it, if any."""

    package: Package
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]
    severity: Severity

    @property
    def id(self) -> str:
        """The name that the database knows it by first."""
        return self.ids[0]


@dataclass(frozen=True)
class Answer:
    """What is known, and the packages that the database does not know."""

    vulnerabilities: tuple[Vulnerability, ...]
    not_audited: tuple[str, ...]


def ask(packages: Sequence[Package], database: Database) -> Answer:
    """Everything that is known against these packages."""
    asked = _run_pip_audit(packages, database)
    not_audited = tuple(entry["name"] for entry in asked if "skip_reason" in entry)
    if len(not_audited) >= len(packages):
        raise unreachable(database, "it knows no package that is locked")
    return Answer(tuple(_vulnerabilities(asked, database)), not_audited)


def unreachable(database: Database, reason: str) -> UnreachableError:
    """The one message, whoever found out."""
    return UnreachableError(
        f"NOTHING WAS AUDITED: the database of vulnerabilities gave no usable answer ({reason}). "
        f"The audit needs {database.hosts}, or a mirror of OSV: --osv-url https://osv.example.com"
    )


def _run_pip_audit(packages: Sequence[Package], database: Database) -> list[dict[str, Any]]:
    """What pip-audit says of each package. It looks at versions only: nothing is installed."""
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        folder = Path(name)
        pins = folder / "requirements.txt"
        pins.write_text("".join(f"{package.name}=={package.version}\n" for package in packages))
        options = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        options += ["--desc=off", "--aliases=on", f"--timeout={SECONDS}"]
        # Yesterday's answers would make an audit of a database that is away.
        options += [f"--cache-dir={folder / 'cache'}", f"--requirement={pins}"]
        options += [f"--vulnerability-service={database.service}"]
        options += [f"--osv-url={database.osv}/v1/query"]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *options],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    reason = _reason(done.stderr)
    if done.returncode == _WRONG_COMMAND_LINE:
        raise AuditError(
            f"pip-audit does not take our options: {reason}. Is it the locked version?"
        )
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        # Its own exit code is 1 both for a vulnerability and for a network that is away.
        raise unreachable(database, reason) from error
    assert isinstance(dependencies, list)
    return dependencies


def _reason(said: str) -> str:
    """The cause at the bottom of what pip-audit says, which may be a traceback."""
    lines = [line.strip() for line in said.splitlines() if _SAYS_WHY.search(line)] or [said.strip()]
    cause = lines[-1].rpartition("Caused by ")[2]
    return cause.splitlines()[-1].strip("()") if cause else "it said nothing"


def _vulnerabilities(
    asked: Sequence[dict[str, Any]], database: Database
) -> Iterator[Vulnerability]:
    for entry in asked:
        for known in entry.get("vulns", ()):
            ids = (known["id"], *known["aliases"])
            yield Vulnerability(
                Package(entry["name"], entry["version"]),
                ids,
                _newer(known["fix_versions"], entry["version"]),
                _severity(ids, database),
            )


def _newer(versions: Sequence[str], than: str) -> tuple[str, ...]:
    """The fixes that one would update to: a record also lists those of older branches."""
    newer = [version for version in versions if Version(version) > Version(than)]
    return tuple(sorted(newer or versions, key=Version))


def _severity(ids: Sequence[str], database: Database) -> Severity:
    """The worst that anybody says; what PyPA's records leave open, GitHub's often say."""
    said = [of_record(record) for id_ in ids if (record := _record(id_, database))]
    known = [severity for severity in said if severity is not Severity.UNKNOWN]
    return max(known, default=Severity.UNKNOWN)


def _record(id_: str, database: Database) -> dict[str, Any] | None:
    try:
        with urlopen(f"{database.osv}/v1/vulns/{quote(id_)}", timeout=SECONDS) as answer:
            record = json.load(answer)
    except HTTPError as error:
        with error:
            # Of an alias, OSV may have no record of its own.
            if error.code == 404:
                return None
        raise unreachable(database, f"HTTP {error.code} for {id_}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise unreachable(database, f"{id_}: {error}") from error
    if not isinstance(record, dict):
        raise unreachable(database, f"its record of {id_} is no JSON object")
    return record
