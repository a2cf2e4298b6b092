"""Check locked packages for known vulnerabilities.

Examples:
  ./pants run docker:audit
  ./pants run docker:audit -- --resolve default --resolve images --output audit.json
  ./pants run docker:audit -- --osv-url https://osv.example.com

A vulnerability fails the audit if its severity is high, critical or unknown and a newer version
fixes it. All others are listed. docker/audit_ignored.txt lists exceptions, each with a last day and
a reason.

Exit codes: 0 if nothing fails, 1 if a vulnerability fails, 2 for an invalid option or file, 3 if
the database gave no answer and NOTHING WAS AUDITED (0 with --allow-unreachable, and a message), 130
and 143 if interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

from vulnerabilities import advisories, ignored, lockfiles
from vulnerabilities.advisories import Database
from vulnerabilities.failures import AuditError, UnreachableError, UsageError
from vulnerabilities.report import Finding, Report, as_table, judge, write_json

IGNORED = Path("docker/audit_ignored.txt")
# The packages in the images.
RESOLVES = ("default",)
REMEDY = (
    "To update: edit 3rdparty/python/*.txt, ./pants generate-lockfiles --resolve=default, "
    "./pants fmt 3rdparty/python::"
)
FAILED = 1
INTERRUPTED = 130
SIGNALLED = 128


def audit(options: argparse.Namespace) -> int:
    """Audit the lockfiles of the command line, and return the exit code."""
    root = lockfiles.find_root()
    files = _lockfiles(options, root)
    packages = lockfiles.read_all(files)
    # Read before the request, to report errors in it without a network.
    lines = ignored.read(options.ignored or root / IGNORED)
    database = Database(options.service, _without_slash(options.osv_url))
    names = [_shown(file, root) for file in files]
    count = _count(len(packages), "package")
    _print_status(f"Checking {count} of {', '.join(names)} at {database.hosts}.")
    try:
        answer = advisories.look_up(packages, database)
    except UnreachableError as error:
        _write(Report(names, len(packages), unreachable=str(error)), options.output)
        return _fail_unaudited(str(error), options.allow_unreachable)
    findings = judge(answer.vulnerabilities, lines, datetime.now(UTC).date())
    report = Report(names, len(packages), findings, answer.not_audited)
    _write(report, options.output)
    return _print_report(report, options.allow_unreachable)


def _lockfiles(options: argparse.Namespace, root: Path) -> list[Path]:
    named: list[Path] = options.lockfile
    resolves = options.resolve or ([] if named else RESOLVES)
    return [*(lockfiles.lockfile_of(name, root) for name in resolves), *named]


def _print_report(report: Report, allow_unreachable: bool) -> int:
    if report.findings:
        print(as_table(report.findings))
    print(_summary(report.findings, report.packages - len(report.not_audited)))
    if report.failing:
        print(REMEDY)
        return FAILED
    if report.not_audited:
        unknown, names = _count(len(report.not_audited), "package"), ", ".join(report.not_audited)
        message = f"NOT AUDITED: {unknown} not in the database: {names}."
        return _fail_unaudited(f"{message} Try another database: --service.", allow_unreachable)
    return 0


def _summary(findings: Sequence[Finding], packages: int) -> str:
    failing = sum(finding.fails for finding in findings)
    known = _count(len(findings), "known vulnerability", "known vulnerabilities")
    return (
        f"{_count(packages, 'package')}, {known}, {failing} {'fails' if failing == 1 else 'fail'}."
    )


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _fail_unaudited(message: str, allowed: bool) -> int:
    _print_status(message)
    if not allowed:
        return UnreachableError.exit_code
    _print_status("THE AUDIT DID NOT PASS. The exit code is 0 because of --allow-unreachable.")
    return 0


def _write(report: Report, output: Path | None) -> None:
    if output:
        write_json(report, output)


def _print_status(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _shown(file: Path, root: Path) -> str:
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def _without_slash(url: str) -> str:
    if urlsplit(url).scheme not in ("https", "http") or not urlsplit(url).netloc:
        raise UsageError(f"--osv-url: expected e.g. {advisories.OSV}, got {url!r}.")
    return url.rstrip("/")


def _parser() -> argparse.ArgumentParser:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="audit",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--resolve", action="append", default=[], help="a resolve of pants.toml; `default` if none")
    add("--lockfile", action="append", default=[], type=Path, help="another lockfile")
    add("--service", choices=advisories.SERVICES, default="osv", help="the database")
    add("--osv-url", default=advisories.OSV, help="a mirror of OSV")
    add("--ignored", type=Path, help=f"the exceptions, instead of {IGNORED}")
    add("--output", type=Path, help="also write the report as JSON")
    add("--allow-unreachable", action="store_true", help="exit with 0 if nothing was audited")
    return parser


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Exit by an exception, so that temporary folders are removed."""
    raise SystemExit(SIGNALLED + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Audit, and return the exit code."""
    options = _parser().parse_args(argv)
    try:
        return audit(options)
    except AuditError as failure:
        _print_status(str(failure))
        return failure.exit_code
    except KeyboardInterrupt:
        _print_status("Interrupted.")
        return INTERRUPTED


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())
