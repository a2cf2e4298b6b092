from __future__ import annotations

import json
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
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import InterpreterConstraintsField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.engine.fs import CreateDigest, Digest, DigestContents, FileContent
from pants.engine.internals.native_dep_inference import NativeParsedPythonDependencies
from pants.engine.process import Process, ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import AllTargets, HydratedSources, HydrateSourcesRequest, Target
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize

from notebook.cells import CellLine, CodeCell, Joined, UnreadableNotebookError, code_cells, runs
from notebook.target_types import NotebookSourceField

SYNTAX_PROGRAM = Path(__file__).parent / "syntax.py"


@dataclass(frozen=True)
class ParseNotebookRequest:
    source: NotebookSourceField
    interpreter_constraints: InterpreterConstraints


@dataclass(frozen=True)
class ParsedNotebook:
    """The dependencies in a notebook; `problems` describe a broken file, or broken cells."""

    dependencies: ParsedPythonDependencies
    origins: FrozenDict[str, CellLine]
    runs: FrozenDict[str, CellLine]
    problems: tuple[str, ...] = ()
    is_readable: bool = True


@dataclass(frozen=True)
class NotebookCellsRequest:
    source: NotebookSourceField


@dataclass(frozen=True)
class NotebookCells:
    """The code cells of a file; `problem` says why the file cannot be read."""

    cells: tuple[CodeCell, ...]
    problem: str = ""

    @property
    def suspects(self) -> tuple[CodeCell, ...]:
        """The cells that do not parse in Pants' own Python, which is older than the notebook's."""
        return tuple(cell for cell in self.cells if not cell.is_python)


@dataclass(frozen=True)
class AllSyntaxErrorsRequest:
    interpreter_constraints: InterpreterConstraints


@dataclass(frozen=True)
class AllSyntaxErrors:
    """Line and message by the code of a cell, for all notebooks with the same constraints."""

    errors: FrozenDict[str, tuple[int, str]]


@dataclass(frozen=True)
class SyntaxErrorsRequest:
    cells: tuple[CodeCell, ...]
    interpreter_constraints: InterpreterConstraints


@dataclass(frozen=True)
class SyntaxErrors:
    """The line and message of each cell that does not parse, by its number."""

    errors: FrozenDict[int, tuple[int, str]]

    def messages(self, path: str) -> Iterator[str]:
        for number, (line, message) in sorted(self.errors.items()):
            yield f"{path}: cell {number}, line {line} does not parse: {message}."


@rule
async def read_cells(request: NotebookCellsRequest) -> NotebookCells:
    hydrated = await Get(HydratedSources, HydrateSourcesRequest(request.source))
    contents = await Get(DigestContents, Digest, hydrated.snapshot.digest)
    try:
        return NotebookCells(code_cells(contents[0].content, request.source.file_path))
    except UnreadableNotebookError as error:
        return NotebookCells((), str(error))


@rule(desc="Find the errors of cells", level=LogLevel.DEBUG)
async def find_all_syntax_errors(
    request: AllSyntaxErrorsRequest, targets: AllTargets, setup: PythonSetup
) -> AllSyntaxErrors:
    """Use one process for all notebooks, since the start of a process takes the longest."""
    constraints = request.interpreter_constraints
    notebooks = await MultiGet(
        Get(NotebookCells, NotebookCellsRequest(target[NotebookSourceField]))
        for target in targets
        if target.has_field(NotebookSourceField) and constraints_of(target, setup) == constraints
    )
    code = sorted({cell.python for notebook in notebooks for cell in notebook.suspects})
    python, input_digest = await MultiGet(
        Get(PythonExecutable, InterpreterConstraints, constraints),
        Get(
            Digest,
            CreateDigest(
                (
                    FileContent("syntax.py", SYNTAX_PROGRAM.read_bytes()),
                    FileContent("cells.json", json.dumps(code).encode()),
                )
            ),
        ),
    )
    result = await Get(
        ProcessResult,
        Process(
            (python.path, "syntax.py", "cells.json"),
            input_digest=input_digest,
            append_only_caches=python.append_only_caches,
            description=f"Parse {pluralize(len(code), 'cell')}",
            level=LogLevel.DEBUG,
        ),
    )
    errors = zip(code, json.loads(result.stdout))
    return AllSyntaxErrors(FrozenDict({cell: tuple(error) for cell, error in errors if error}))


def constraints_of(target: Target, setup: PythonSetup) -> InterpreterConstraints:
    return InterpreterConstraints.create_from_compatibility_fields(
        [target[InterpreterConstraintsField]], setup
    )


@rule
async def find_syntax_errors(request: SyntaxErrorsRequest) -> SyntaxErrors:
    found = await Get(AllSyntaxErrors, AllSyntaxErrorsRequest(request.interpreter_constraints))
    errors = ((cell.number, found.errors.get(cell.python)) for cell in request.cells)
    return SyntaxErrors(FrozenDict({number: error for number, error in errors if error}))


async def _syntax_errors(
    cells: tuple[CodeCell, ...], constraints: InterpreterConstraints
) -> SyntaxErrors:
    if not cells:
        return SyntaxErrors(FrozenDict())
    return await Get(SyntaxErrors, SyntaxErrorsRequest(cells, constraints))


def dependencies_of(
    native: NativeParsedPythonDependencies, infer: PythonInferSubsystem
) -> ParsedPythonDependencies:
    """Convert the parser's result to imports and assets, like Pants' rule for Python files."""
    imports = dict(native.imports)
    assets = set()
    for text, line in native.string_candidates.items():
        slashes, dots = text.count("/"), text.count(".")
        if infer.string_imports and not slashes and dots >= infer.string_imports_min_dots:
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
    read = await Get(NotebookCells, NotebookCellsRequest(request.source))
    if read.problem:
        return _unreadable(read.problem)
    errors = await _syntax_errors(read.suspects, request.interpreter_constraints)
    whole = tuple(cell for cell in read.cells if cell.number not in errors.errors)
    joined = Joined.of(whole)
    # One file for all cells, because the parser takes one file at a time.
    code = FileContent("notebook.py", joined.code.encode("utf-8", "replace"))
    digest = await Get(Digest, CreateDigest([code]))
    native = await Get(NativeParsedPythonDependencies, Digest, digest)
    dependencies = dependencies_of(native, infer)
    origins = {name: joined.locate(at.lineno) for name, at in dependencies.imports.items()}
    return ParsedNotebook(
        dependencies,
        FrozenDict(origins),
        FrozenDict(runs(whole)),
        tuple(errors.messages(request.source.file_path)),
    )


def rules():
    return collect_rules()
