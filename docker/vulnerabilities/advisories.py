"""Look up the vulnerabilities of packages with pip-audit, and their severities in OSV."""

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
_CAUSE = re.compile(r"(Error|Exception|Timeout|ERROR)\S*: ?\S|error: ")


@dataclass(frozen=True)
class Database:
    """`osv` is OSV or a mirror. It also has the severities for the service `pypi`."""

    service: str = "osv"
    osv: str = OSV

    @property
    def hosts(self) -> str:
        """The hosts that must be reachable."""
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
        """The database's own id; the others are aliases."""
        return self.ids[0]


@dataclass(frozen=True)
class Answer:
    """The known vulnerabilities, and the packages that are not in the database."""

    vulnerabilities: tuple[Vulnerability, ...]
    not_audited: tuple[str, ...]


def look_up(packages: Sequence[Package], database: Database) -> Answer:
    """Look up the known vulnerabilities of these packages."""
    entries = _run_pip_audit(packages, database)
    not_audited = tuple(entry["name"] for entry in entries if "skip_reason" in entry)
    if len(not_audited) >= len(packages):
        raise unreachable(database, "it has none of the locked packages")
    return Answer(tuple(_vulnerabilities(entries, database)), not_audited)


def unreachable(database: Database, reason: str) -> UnreachableError:
    """The error for all failures of the database."""
    return UnreachableError(
        f"NOTHING WAS AUDITED: the database of vulnerabilities gave no usable answer ({reason}). "
        f"The audit needs {database.hosts}, or a mirror of OSV: --osv-url https://osv.example.com"
    )


def _run_pip_audit(packages: Sequence[Package], database: Database) -> list[dict[str, Any]]:
    """Run pip-audit, which compares versions and installs nothing. Returns an entry per package."""
    with tempfile.TemporaryDirectory(prefix="audit-") as name:
        folder = Path(name)
        pins = folder / "requirements.txt"
        pins.write_text("".join(f"{package.name}=={package.version}\n" for package in packages))
        options = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
        options += ["--desc=off", "--aliases=on", f"--timeout={SECONDS}"]
        # No shared cache: old answers would hide that the database is unreachable.
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
            f"pip-audit rejected its options: {reason}. Check that it has the locked version."
        )
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        # pip-audit exits with 1 for a vulnerability and for a network error alike.
        raise unreachable(database, reason) from error
    assert isinstance(dependencies, list)
    return dependencies


def _reason(output: str) -> str:
    """The last cause in the output of pip-audit, which may be a traceback."""
    causes = [line.strip() for line in output.splitlines() if _CAUSE.search(line)]
    cause = (causes or [output.strip()])[-1].rpartition("Caused by ")[2]
    return cause.splitlines()[-1].strip("()") if cause else "no output"


def _vulnerabilities(
    entries: Sequence[dict[str, Any]], database: Database
) -> Iterator[Vulnerability]:
    for entry in entries:
        for known in entry.get("vulns", ()):
            ids = (known["id"], *known["aliases"])
            yield Vulnerability(
                Package(entry["name"], entry["version"]),
                ids,
                _newer(known["fix_versions"], entry["version"]),
                _severity(ids, database),
            )


def _newer(versions: Sequence[str], than: str) -> tuple[str, ...]:
    """The fixes that are newer than a version: a record also lists those of older branches."""
    newer = [version for version in versions if Version(version) > Version(than)]
    return tuple(sorted(newer or versions, key=Version))


def _severity(ids: Sequence[str], database: Database) -> Severity:
    """The highest severity in any record: PyPA's often have none, but GitHub's do."""
    severities = [of_record(record) for id_ in ids if (record := _record(id_, database))]
    known = [severity for severity in severities if severity is not Severity.UNKNOWN]
    return max(known, default=Severity.UNKNOWN)


def _record(id_: str, database: Database) -> dict[str, Any] | None:
    try:
        with urlopen(f"{database.osv}/v1/vulns/{quote(id_)}", timeout=SECONDS) as answer:
            record = json.load(answer)
    except HTTPError as error:
        with error:
            # OSV may have no record for an alias.
            if error.code == 404:
                return None
        raise unreachable(database, f"HTTP {error.code} for {id_}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise unreachable(database, f"{id_}: {error}") from error
    if not isinstance(record, dict):
        raise unreachable(database, f"its record of {id_} is not a JSON object")
    return record
