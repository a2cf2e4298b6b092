from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pants.backend.python.dependency_inference.parse_python_dependencies import (
    ParsedPythonAssetPaths,
    ParsedPythonDependencies,
    ParsedPythonImportInfo,
    ParsedPythonImports,
)
from pants.backend.python.dependency_inference.subsystem import PythonInferSubsystem
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.engine.fs import CreateDigest, Digest, DigestContents, FileContent
from pants.engine.internals.native_dep_inference import NativeParsedPythonDependencies
from pants.engine.process import Process, ProcessResult
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from notebook.cells import CellLine, CodeCell, Joined, UnreadableNotebookError, code_cells, runs
from notebook.magics import is_python
from notebook.target_types import NotebookSourceField

logger = logging.getLogger(__name__)

SYNTAX_PROGRAM = Path(__file__).parent / "syntax.py"


@dataclass(frozen=True)
class ParseNotebookRequest:
    source: NotebookSourceField
    interpreter_constraints: InterpreterConstraints


@dataclass(frozen=True)
class ParsedNotebook:
    """What a notebook's code says; `problems` are the cells, or the file, that say nothing."""

    dependencies: ParsedPythonDependencies
    origins: FrozenDict[str, CellLine]
    runs: FrozenDict[str, CellLine]
    problems: tuple[str, ...] = ()
    is_readable: bool = True


@dataclass(frozen=True)
class SyntaxErrorsRequest:
    """Cells that the Python of Pants does not take for Python."""

    cells: tuple[CodeCell, ...]
    interpreter_constraints: InterpreterConstraints


@dataclass(frozen=True)
class SyntaxErrors:
    """The line and message of each cell that does not parse, by its number."""

    errors: FrozenDict[int, tuple[int, str]]

    def told(self, path: str) -> Iterator[str]:
        for number, (line, message) in sorted(self.errors.items()):
            yield f"{path}: cell {number}, line {line} does not parse: {message}."


@rule(desc="Find the errors of cells", level=LogLevel.DEBUG)
async def find_syntax_errors(request: SyntaxErrorsRequest) -> SyntaxErrors:
    python = await Get(PythonExecutable, InterpreterConstraints, request.interpreter_constraints)
    cells = json.dumps([cell.python for cell in request.cells]).encode()
    files = (
        FileContent("syntax.py", SYNTAX_PROGRAM.read_bytes()),
        FileContent("cells.json", cells),
    )
    input_digest = await Get(Digest, CreateDigest(files))
    result = await Get(
        ProcessResult,
        Process(
            (python.path, "syntax.py", "cells.json"),
            input_digest=input_digest,
            append_only_caches=python.append_only_caches,
            description="Parse cells",
            level=LogLevel.DEBUG,
        ),
    )
    told = zip(request.cells, json.loads(result.stdout))
    return SyntaxErrors(FrozenDict({cell.number: tuple(error) for cell, error in told if error}))


async def _syntax_errors(
    cells: tuple[CodeCell, ...], constraints: InterpreterConstraints
) -> SyntaxErrors:
    suspects = tuple(cell for cell in cells if not is_python(cell.python))
    if not suspects:
        return SyntaxErrors(FrozenDict())
    return await Get(SyntaxErrors, SyntaxErrorsRequest(suspects, constraints))


def dependencies_of(
    native: NativeParsedPythonDependencies, infer: PythonInferSubsystem
) -> ParsedPythonDependencies:
    """As Pants' own rule for a Python file turns the parser's answer into imports and assets."""
    imports = dict(native.imports)
    assets = set()
    for text, line in native.string_candidates.items():
        slashes = text.count("/")
        if infer.string_imports and not slashes:
            if text.count(".") >= infer.string_imports_min_dots:
                imports.setdefault(text, (line, True))
        if infer.assets and slashes >= infer.assets_min_slashes:
            assets.add(text)
    return ParsedPythonDependencies(
        ParsedPythonImports((name, ParsedPythonImportInfo(*at)) for name, at in imports.items()),
        ParsedPythonAssetPaths(sorted(assets)),
    )


def _unreadable(problem: str) -> ParsedNotebook:
    nothing = ParsedPythonDependencies(ParsedPythonImports(), ParsedPythonAssetPaths())
    return ParsedNotebook(nothing, FrozenDict(), FrozenDict(), (problem,), is_readable=False)


@rule(desc="Parse a notebook", level=LogLevel.DEBUG)
async def parse_notebook(
    request: ParseNotebookRequest, infer: PythonInferSubsystem
) -> ParsedNotebook:
    hydrated = await Get(HydratedSources, HydrateSourcesRequest(request.source))
    contents = await Get(DigestContents, Digest, hydrated.snapshot.digest)
    path = request.source.file_path
    try:
        cells = code_cells(contents[0].content, path)
    except UnreadableNotebookError as error:
        return _unreadable(str(error))
    errors = await _syntax_errors(cells, request.interpreter_constraints)
    whole = tuple(cell for cell in cells if cell.number not in errors.errors)
    joined = Joined.of(whole)
    # One file for all cells: the parser takes one file at a time.
    code = FileContent("notebook.py", joined.code.encode("utf-8", "replace"))
    digest = await Get(Digest, CreateDigest([code]))
    native = await Get(NativeParsedPythonDependencies, Digest, digest)
    dependencies = dependencies_of(native, infer)
    origins = {name: joined.locate(at.lineno) for name, at in dependencies.imports.items()}
    return ParsedNotebook(
        dependencies, FrozenDict(origins), FrozenDict(runs(whole)), tuple(errors.told(path))
    )


def rules():
    return collect_rules()
