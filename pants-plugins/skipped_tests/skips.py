"""What was skipped, read from the JUnit files of test processes, and the block that shows it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

# How a reason ends if a command can install what is missing: tests/support/requirements.py.
INSTALL = " Install it: "
# What pytest reports of a module that skips itself while it is imported.
OF_A_MODULE = "collection skipped"


@dataclass(frozen=True)
class Skip:
    """One test, or one module, that was skipped; `install` is a command, or empty."""

    place: str
    reason: str
    install: str = ""


def read_skips(report: bytes, addresses: Sequence[str]) -> list[Skip]:
    """Every skip in a JUnit file; `addresses` are the targets whose tests it is about.

    A file that is not JUnit's holds none: its process has reported what went wrong.
    """
    try:
        root = ElementTree.fromstring(report)
    except ElementTree.ParseError:
        return []
    return [
        _skip(_place(case, addresses), skipped)
        for case in root.iter("testcase")
        for skipped in case.iter("skipped")
        # pytest also reports a test that was expected to fail in this way.
        if skipped.get("type") != "pytest.xfail"
    ]


def _skip(place: str, skipped: ElementTree.Element) -> Skip:
    reason, _, install = _reason(skipped).partition(INSTALL)
    return Skip(place, reason.strip(), install.strip())


def _reason(skipped: ElementTree.Element) -> str:
    """One line: a reason of several would break the block."""
    message = skipped.get("message") or skipped.text or "no reason given"
    if message == OF_A_MODULE:
        message = _of_a_module(skipped.text or "")
    return " ".join(message.split())


def _of_a_module(text: str) -> str:
    """The reason in `('path', 3, 'Skipped: reason')`."""
    try:
        return str(ast.literal_eval(text)[2]).removeprefix("Skipped: ")
    except (SyntaxError, ValueError, LookupError, TypeError):
        return text or OF_A_MODULE


def _place(case: ElementTree.Element, addresses: Sequence[str]) -> str:
    """The file of a test. JUnit names its module, and perhaps a class; the addresses name files."""
    test = ".".join(filter(None, (case.get("classname"), case.get("name"))))
    for file in (address.partition(":")[0] for address in addresses):
        if f"{test}.".startswith(f"{_module(file)}."):
            return file
    return addresses[0] if len(addresses) == 1 else test


def _module(file: str) -> str:
    return file[: -len(".py")].replace("/", ".") if file.endswith(".py") else "\0"


def as_text(skips: Iterable[Skip], *, heading: str) -> str:
    """Each file with its reasons, and how often; then the commands that install what is missing."""
    return "\n".join(_lines(Counter(skips), heading))


def _lines(counted: Counter[Skip], heading: str) -> Iterator[str]:
    yield heading
    last = ""
    for skip in sorted(counted, key=lambda skip: (skip.place, skip.reason)):
        if skip.place != last:
            yield f"  {skip.place}"
        last = skip.place
        yield f"    {counted[skip]}x {skip.reason}"
    for command in sorted({skip.install for skip in counted if skip.install}):
        yield f"Install what is missing: {command}"
