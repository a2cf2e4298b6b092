"""Draw which modules import which.

Examples:
  ./pants run src/tools:graph -- src/feature_store
  ./pants run src/tools:graph -- src/models/iris --dependents --every-import
  ./pants run src/tools:graph -- src --by-package --output architecture.svg
  ./pants run src/tools:graph -- src/models/iris --format mermaid --output -

A frame is a folder, and a box in it is a module; other packages are one box each. Leaves out
imports that other imports imply, unless --every-import.

Exit codes: 0 done; 1 Pants fails; 2 wrong folder or option.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli.errors import InputError, UserError
from cli.script import make_script_parser
from tools.graphs.import_graph import FORMATS, ROOT, ImportGraph, import_graph
from tools.workspace.git import find_root
from tools.workspace.pants import peek

FOLDER = Path("dist/graphs")


def draw(options: argparse.Namespace) -> None:
    """Write the picture for these options."""
    root = find_root()
    folders = [_folder(root, given) for given in options.folders]
    _say("Asking Pants for the imports …")
    graph = import_graph(
        peek(root),
        folders,
        by_package=options.by_package,
        dependents=options.dependents,
        every_import=options.every_import,
    )
    if not graph.imports:
        raise InputError(f"{', '.join(folders)}: Pants has no Python modules there.")
    text = FORMATS[options.format](graph)
    if options.output == "-":
        sys.stdout.write(text)
        return
    output = Path(options.output) if options.output else root / _default_output(options, folders)
    _write(output, text)
    _say(f"{_count(graph)}: {os.path.relpath(output)}")


def _folder(root: Path, given: str) -> str:
    path = Path(os.path.abspath(given))
    path = path if path.exists() else root / given
    if not path.is_dir() or not path.is_relative_to(root / ROOT):
        raise InputError(
            f"{given}: expected a folder at or below {ROOT}/, such as src/feature_store."
        )
    return path.relative_to(root).as_posix()


def _default_output(options: argparse.Namespace, folders: Sequence[str]) -> Path:
    name = "_".join(folder.removeprefix(f"{ROOT}/").replace("/", "_") for folder in folders)
    ending = {"mermaid": "mmd"}.get(options.format, options.format)
    return FOLDER / f"{name}.{ending}"


def _write(output: Path, text: str) -> None:
    """Write a temporary file, then rename it, so that the output is never incomplete."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
            staged = Path(folder) / output.name
            staged.write_text(text)
            staged.replace(output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}.") from error


def _count(graph: ImportGraph) -> str:
    return f"{len(graph.imports)} boxes, {len(graph.edges)} arrows"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = make_script_parser("graph", __doc__)
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="folders at or below src")
    add("--by-package", action="store_true", help="draw folders as boxes, not modules")
    add("--dependents", action="store_true", help="also draw the packages that import them")
    add("--every-import", action="store_true", help="draw all imports")
    add("--format", choices=FORMATS, default="svg", help="default: svg")
    add("--output", "-o", help=f"a file, or - for standard output; default: a file in {FOLDER}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, and return the exit code."""
    options = _parser().parse_args(argv)
    try:
        draw(options)
    except UserError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("Interrupted. The earlier picture did not change.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
