"""Say what is wrong with this machine or this clone, and how to mend it.

Examples:
  ./pants run src/tools:doctor
  python3 src/tools/health/doctor.py
  python3 src/tools/health/doctor.py --json

The second works where Pants does not: it needs Python 3.8 or newer, and nothing else.

Exits with 0 where nothing is wrong (what only may be in the way is marked by !), with 1 where
something is, with 2 on a wrong option or outside of a clone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__":
    # As a script, its own folder is where Python looks for modules; ours start two above.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from cli.errors import UserError
from tools.health.doctor_task import Finding, State, examine
from tools.workspace.git import find_root

MARKS = {State.WELL: ("✓", "32"), State.DOUBTFUL: ("!", "33"), State.WRONG: ("✗", "31")}


def as_text(findings: Sequence[Finding], *, coloured: bool) -> str:
    """One line each, and below it the command that mends what is not well."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        mark, colour = MARKS[finding.state]
        shown = f"\033[{colour}m{mark}\033[0m" if coloured else mark
        lines.append(f"{shown} {finding.name:<{width}}  {finding.told}")
        if finding.remedy:
            lines.append(f"  {'':<{width}}  {finding.remedy}")
    return "\n".join(lines)


def as_json(findings: Iterable[Finding]) -> str:
    """For programs."""
    told = [{**asdict(finding), "state": finding.state.value} for finding in findings]
    return json.dumps(told, indent=2, ensure_ascii=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Examine, and return the exit code."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="doctor",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    options = parser.parse_args(argv)
    try:
        findings = examine(find_root())
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    told = as_json(findings) if options.json else as_text(findings, coloured=coloured)
    # A terminal that has no ✓ shows something else, and not an error.
    sys.stdout.buffer.write(f"{told}\n".encode(sys.stdout.encoding or "utf-8", "replace"))
    return 1 if any(finding.state is State.WRONG for finding in findings) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
