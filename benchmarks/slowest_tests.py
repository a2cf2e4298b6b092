"""List the slowest test files of a run, from its JUnit files.

    PANTS_CONFIG_FILES=pants.ci.toml ./pants test ::
    python3 benchmarks/slowest_tests.py
    python3 benchmarks/slowest_tests.py --before earlier/dist/test/reports

Two processes run at a time, so the seconds of a file include waiting for the other one. `--before`
adds each file's ratio to an earlier run.
"""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

REPORTS = Path(__file__).resolve().parents[1] / "dist/test/reports"


def read_seconds(reports: Path) -> dict[str, float]:
    """Seconds by test file, including the setup of its tests."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in sorted(reports.glob("*.xml")):
        for case in ET.parse(report).iter("testcase"):
            file = case.get("classname", "?").replace(".", "/") + ".py"
            seconds[file] += float(case.get("time", 0))
    return seconds


def show(now: Mapping[str, float], before: Mapping[str, float], count: int) -> str:
    """A table in Markdown, the slowest first."""
    rows = ["| file | before | now | ratio |", "|---|---|---|---|"]
    for file, seconds in sorted(now.items(), key=lambda item: -item[1])[:count]:
        earlier, ratio = "", ""
        if file in before:
            earlier, ratio = f"{before[file]:.0f} s", f"{seconds / before[file]:.2f}"
        rows.append(f"| `{file}` | {earlier} | {seconds:.0f} s | {ratio} |")
    rows.append(f"| all {len(now)} files | {_total(before)} | {_total(now)} | |")
    return "\n".join(rows)


def _total(seconds: Mapping[str, float]) -> str:
    return f"{sum(seconds.values()):,.0f} s" if seconds else ""


def main() -> None:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reports", type=Path, default=REPORTS, help="of the run to show")
    parser.add_argument("--before", type=Path, help="of an earlier run")
    parser.add_argument("--count", type=int, default=20, help="rows of the table (default: 20)")
    options = parser.parse_args()
    now = read_seconds(options.reports)
    if not now:
        parser.error(f"{options.reports} has no JUnit files. Run the tests with pants.ci.toml.")
    before = read_seconds(options.before) if options.before else {}
    print(show(now, before, options.count))


if __name__ == "__main__":
    main()
