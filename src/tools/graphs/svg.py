"""Draw a graph in Graphviz' DOT language: read standard input, write SVG to standard output.

Example:
  ./pants run src/tools:svg < affected.dot > affected.svg
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pygraphviz

_FONTS = "FONTCONFIG_FILE"


def to_svg(drawing: pygraphviz.AGraph) -> str:
    """Draw a graph; the result is the same on every machine."""
    with hide_fonts():
        return str(drawing.draw(format="svg", prog="dot").decode())


@contextmanager
def hide_fonts() -> Iterator[None]:
    """Hide the machine's fonts, so that Graphviz estimates widths in the same way everywhere."""
    before = os.environ.get(_FONTS)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("<fontconfig/>")
        file.flush()
        os.environ[_FONTS] = file.name
        try:
            yield
        finally:
            del os.environ[_FONTS]
            if before is not None:
                os.environ[_FONTS] = before


def main() -> int:
    """Draw, and return the exit code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            sys.stdout.write(to_svg(pygraphviz.AGraph(string=sys.stdin.read())))
    except (ValueError, RuntimeWarning, OSError) as error:
        print(f"Standard input: cannot be drawn: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
