"""Read skipped tests from JUnit files, and format them as a block of text."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

# Precedes an installation command at the end of a reason; see tests/support/requirements.py.
INSTALL = " Install it: "
# pytest's message for a module that skips itself at import.
OF_A_MODULE = "collection skipped"


@dataclass(frozen=True)
class Skip:
    """A skipped test or module; `install` is a command or ""."""

    place: str
    reason: str
    install: str = ""


def read_skips(report: bytes, addresses: Sequence[str]) -> list[Skip]:
    """All skips in a JUnit file; `addresses` are the targets of its tests.

    An invalid file has none: its process has already reported the failure.
    """
    try:
        root = ElementTree.fromstring(report)
    except ElementTree.ParseError:
        return []
    return [
        _skip(_place(case, addresses), skipped)
        for case in root.iter("testcase")
        for skipped in case.iter("skipped")
        # pytest reports expected failures as skipped, too.
        if skipped.get("type") != "pytest.xfail"
    ]


def _skip(place: str, skipped: ElementTree.Element) -> Skip:
    reason, _, install = _reason(skipped).partition(INSTALL)
    return Skip(place, reason.strip(), install.strip())


def _reason(skipped: ElementTree.Element) -> str:
    """The reason as one line, so that it fits the block."""
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
    """The file of a test. JUnit has its module and possibly a class; the addresses have files."""
    test = ".".join(filter(None, (case.get("classname"), case.get("name"))))
    for file in (address.partition(":")[0] for address in addresses):
        if f"{test}.".startswith(f"{_module(file)}."):
            return file
    return addresses[0] if len(addresses) == 1 else test


def _module(file: str) -> str:
    return file[: -len(".py")].replace("/", ".") if file.endswith(".py") else "\0"


def as_text(skips: Iterable[Skip], *, heading: str) -> str:
    """Each file with its reasons and their counts, then the installation commands."""
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
