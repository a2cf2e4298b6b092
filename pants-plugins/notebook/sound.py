"""Find the notebooks that a tool can process. `lint` reports broken ones; other tools skip them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import InterpreterConstraintsField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import FieldSet

from notebook.parse import ParsedNotebook, ParseNotebookRequest
from notebook.target_types import NotebookKeepOutputsField, NotebookSourceField


@dataclass(frozen=True)
class NotebookFieldSet(FieldSet):
    required_fields = (NotebookSourceField, InterpreterConstraintsField)

    source: NotebookSourceField
    interpreter_constraints: InterpreterConstraintsField
    keep_outputs: NotebookKeepOutputsField

    @property
    def path(self) -> str:
        return self.source.file_path


@dataclass(frozen=True)
class NotebookProblemsRequest:
    field_sets: tuple[NotebookFieldSet, ...]


@dataclass(frozen=True)
class NotebookProblems:
    """The problems of each notebook, in the order of the request."""

    parsed: tuple[tuple[NotebookFieldSet, ParsedNotebook], ...]

    @property
    def readable(self) -> tuple[NotebookFieldSet, ...]:
        return tuple(field_set for field_set, parsed in self.parsed if parsed.is_readable)

    @property
    def sound(self) -> tuple[NotebookFieldSet, ...]:
        """The notebooks whose cells all parse."""
        return tuple(field_set for field_set, parsed in self.parsed if not parsed.problems)

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(problem for _, parsed in self.parsed for problem in parsed.problems)


def paths(field_sets: Iterable[NotebookFieldSet]) -> tuple[str, ...]:
    return tuple(field_set.path for field_set in field_sets)


@rule
async def find_problems(request: NotebookProblemsRequest, setup: PythonSetup) -> NotebookProblems:
    parsed = await MultiGet(
        Get(
            ParsedNotebook,
            ParseNotebookRequest(
                field_set.source,
                InterpreterConstraints.create_from_compatibility_fields(
                    [field_set.interpreter_constraints], setup
                ),
            ),
        )
        for field_set in request.field_sets
    )
    return NotebookProblems(tuple(zip(request.field_sets, parsed)))


def rules():
    return collect_rules()
