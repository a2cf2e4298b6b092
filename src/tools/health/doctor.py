"""Find problems of this machine or clone, and print how to fix them.

Examples:
  ./pants run src/tools:doctor
  python3 src/tools/health/doctor.py
  python3 src/tools/health/doctor.py --json

The second works without Pants: it needs only Python 3.8 or newer.

Exit codes: 0 no errors, but maybe warnings (!); 1 errors (✗); 2 wrong option, or not in a clone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__":
    # Python looks for modules in a script's folder; our source root is two folders above it.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from cli.errors import UserError
from cli.script import make_script_parser
from tools.health.doctor_task import Finding, State, examine
from tools.workspace.git import find_root

MARKS = {State.OK: ("✓", "32"), State.WARNING: ("!", "33"), State.ERROR: ("✗", "31")}


def as_text(findings: Sequence[Finding], *, coloured: bool) -> str:
    """A line for each finding, and below it the command that fixes it."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        mark, colour = MARKS[finding.state]
        shown = f"\033[{colour}m{mark}\033[0m" if coloured else mark
        lines.append(f"{shown} {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            lines.append(f"  {'':<{width}}  {finding.remedy}")
    return "\n".join(lines)


def as_json(findings: Iterable[Finding]) -> str:
    """All findings, for programs."""
    report = [{**asdict(finding), "state": finding.state.value} for finding in findings]
    return json.dumps(report, indent=2, ensure_ascii=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings, and return the exit code."""
    parser = make_script_parser("doctor", __doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    try:
        findings = examine(find_root())
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    report = as_json(findings) if options.json else as_text(findings, coloured=coloured)
    # If the terminal's encoding lacks ✓, replace it instead of failing.
    sys.stdout.buffer.write(f"{report}\n".encode(sys.stdout.encoding or "utf-8", "replace"))
    return 1 if any(finding.state is State.ERROR for finding in findings) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
