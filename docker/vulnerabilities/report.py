"""The findings of an audit, as a table and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from vulnerabilities import ignored
from vulnerabilities.advisories import Vulnerability
from vulnerabilities.failures import UsageError
from vulnerabilities.ignored import Ignored
from vulnerabilities.severity import Severity

_COLUMNS = ("package", "version", "id", "severity", "fixed in", "verdict")


@dataclass(frozen=True)
class Finding:
    """A vulnerability, and the line that accepts it, if any."""

    vulnerability: Vulnerability
    ignored: Ignored | None = None

    @property
    def fails(self) -> bool:
        """Whether its severity is high or unknown, a version fixes it, and it is not ignored."""
        severe = self.vulnerability.severity >= Severity.UNKNOWN
        return severe and bool(self.vulnerability.fixed_in) and self.ignored is None

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        if self.ignored:
            return f"ignored until {self.ignored.until}: {self.ignored.reason}"
        return "FAILS" if self.fails else "listed"


@dataclass(frozen=True)
class Report:
    """One audit."""

    lockfiles: Sequence[str]
    packages: int
    findings: Sequence[Finding] = ()
    not_audited: Sequence[str] = ()
    # Why nothing was audited.
    unreachable: str | None = None

    @property
    def failing(self) -> int:
        """How many findings fail the audit."""
        return sum(finding.fails for finding in self.findings)

    @property
    def outcome(self) -> str:
        """The result for programs; only `passed` means success."""
        if self.unreachable:
            return "nothing audited"
        if self.failing:
            return "failed"
        return "partly audited" if self.not_audited else "passed"


def judge(
    vulnerabilities: Sequence[Vulnerability], lines: Sequence[Ignored], today: date
) -> list[Finding]:
    """Findings sorted by severity, failing ones first."""
    findings = [
        Finding(vulnerability, ignored.find(vulnerability.ids, lines, today))
        for vulnerability in vulnerabilities
    ]
    return sorted(
        findings, key=lambda finding: (not finding.fails, -finding.vulnerability.severity)
    )


def as_table(findings: Sequence[Finding]) -> str:
    """One line per finding."""
    rows = [_COLUMNS, *(_row(finding) for finding in findings)]
    # The verdict is the last column, so its length does not affect the others.
    columns = list(zip(*rows, strict=True))
    widths = [*(max(map(len, column)) for column in columns[:-1]), 0]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def write_json(report: Report, file: Path) -> None:
    """Write the report atomically: to a temporary file, which is then renamed."""
    text = json.dumps(_as_json(report), indent=2) + "\n"
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(text)
        temporary.replace(file)
    except OSError as error:
        raise UsageError(f"--output {file}: cannot be written ({error.strerror}).") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _row(finding: Finding) -> tuple[str, ...]:
    known = finding.vulnerability
    return (
        known.package.name,
        known.package.version,
        known.id,
        str(known.severity),
        ", ".join(known.fixed_in) or "no version yet",
        finding.verdict,
    )


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "outcome": report.outcome,
        "lockfiles": list(report.lockfiles),
        "packages": report.packages,
        "unreachable": report.unreachable,
        "not_audited": list(report.not_audited),
        "findings": [_finding_as_json(finding) for finding in report.findings],
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    known = finding.vulnerability
    return {
        "package": known.package.name,
        "version": known.package.version,
        "id": known.id,
        "aliases": list(known.ids[1:]),
        "severity": str(known.severity),
        "fixed_in": list(known.fixed_in),
        "fails": finding.fails,
        "ignored_until": str(finding.ignored.until) if finding.ignored else None,
        "reason": finding.ignored.reason if finding.ignored else None,
    }
