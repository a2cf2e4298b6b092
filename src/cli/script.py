"""The command line of a program that is not a task: it needs only the standard library."""

from __future__ import annotations

import argparse


def make_script_parser(prog: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the program's docstring, with its examples as they are."""
    summary, _, details = (doc or "").partition("\n\n")
    return argparse.ArgumentParser(
        prog=prog,
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
