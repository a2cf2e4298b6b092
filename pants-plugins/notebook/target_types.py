from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Optional

from pants.backend.python.target_types import InterpreterConstraintsField, PythonResolveField
from pants.core.goals.test import TestExtraEnvVarsField, TestTimeoutField
from pants.engine.addresses import Address
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    Dependencies,
    Field,
    InvalidFieldException,
    InvalidFieldTypeException,
    MultipleSourcesField,
    OverridesField,
    SingleSourceField,
    Target,
    TargetFilesGenerator,
    generate_file_based_overrides_field_help_message,
    generate_multiple_sources_field_help_message,
)
from pants.util.frozendict import FrozenDict
from pants.util.strutil import help_text

from ruff.skip_field import SkipRuffField

EXTENSION = ".ipynb"


class NotebookSourceField(SingleSourceField):
    expected_file_extensions: ClassVar[tuple[str, ...]] = (EXTENSION,)
    # A notebook is a document. No module imports it.
    uses_source_roots = False
    help = 'The notebook, relative to the BUILD file. Example: `source="exploration.ipynb"`.'


class NotebooksSourcesField(MultipleSourcesField):
    expected_file_extensions: ClassVar[tuple[str, ...]] = (EXTENSION,)
    uses_source_roots = False
    default = (f"*{EXTENSION}",)
    help = generate_multiple_sources_field_help_message(
        "Example: `sources=['*.ipynb', '!scratch_*.ipynb']`"
    )


class NotebookDependenciesField(Dependencies):
    help = help_text(
        """
        Further dependencies of the notebook. Imports and `%run` in its code cells are inferred,
        and so is the kernel. Data files that it opens by path are not.

        Example: `dependencies=[":measurements"]`.
        """
    )


class NotebookTimeoutField(TestTimeoutField):
    help = help_text(
        """
        The timeout in seconds for all cells together when `test` executes the notebook. Then the
        kernel is killed, and the error names the running cell.

        By default, `[test].timeout_default`. At most `[test].timeout_maximum`.
        """
    )


class NotebookExtraEnvVarsField(TestExtraEnvVarsField):
    pass


class NotebookSkipExecuteField(BoolField):
    alias = "skip_execute"
    default = False
    help = help_text(
        """
        If true, `test` does not execute the notebook, for example because it takes hours or needs
        a GPU. It is still linted, and `--changed-since` still lists it.

        Try smaller `parameters` first.
        """
    )


def _frozen(value: object) -> object:
    """Convert a JSON value to a hashable value."""
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        return FrozenDict({key: _frozen(item) for key, item in value.items()})
    return value


class NotebookParametersField(Field):
    alias = "parameters"
    value: Optional[FrozenDict[str, Any]]  # noqa: UP045
    default = None
    help = help_text(
        """
        Values for the names that the cell tagged `parameters` assigns, so that `test` can execute a
        heavy notebook on less data. As in papermill, a cell with these values runs after the
        tagged cell.

        Values are strings, numbers, booleans, None, and lists and dictionaries of them. A name that
        the tagged cell does not assign is an error.
        Example: `parameters={"rows": 1000, "seeds": [1]}`.
        """
    )

    @classmethod
    def compute_value(cls, raw_value: Any, address: Address) -> FrozenDict[str, Any] | None:
        given = super().compute_value(raw_value, address)
        if given is None:
            return None
        if not isinstance(given, Mapping) or not all(
            isinstance(name, str) and name.isidentifier() for name in given
        ):
            raise InvalidFieldTypeException(
                address, cls.alias, given, expected_type="a dictionary of values by name"
            )
        try:
            json.dumps(_plain(given))
        except (TypeError, ValueError) as error:
            raise InvalidFieldException(
                f"The `{cls.alias}` field of {address} has a value that cannot be passed to a "
                f"notebook: {error}. Use strings, numbers, booleans, None, lists and dictionaries."
            ) from error
        return FrozenDict({name: _frozen(value) for name, value in given.items()})

    def as_json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in (self.value or {}).items()}


def _plain(value: object) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


class NotebookKeepOutputsField(BoolField):
    alias = "keep_outputs"
    default = False
    help = help_text(
        """
        If true, `fmt` keeps the outputs of cells in the file, for readers who do not execute the
        notebook. By default, it removes them, so that a diff shows only code and text.

        Metadata and execution counts are normalised in both cases. `test` ignores outputs: a
        change of outputs does not execute the notebook again.
        """
    )


_MOVED_FIELDS = (
    NotebookDependenciesField,
    NotebookTimeoutField,
    NotebookExtraEnvVarsField,
    NotebookSkipExecuteField,
    NotebookParametersField,
    NotebookKeepOutputsField,
    SkipRuffField,
    PythonResolveField,
    InterpreterConstraintsField,
)


class NotebookTarget(Target):
    alias = "notebook"
    core_fields = (*COMMON_TARGET_FIELDS, NotebookSourceField, *_MOVED_FIELDS)
    help = help_text(
        """
        A Jupyter notebook in Python. Its dependencies are inferred from its cells. `test` executes
        it with only these dependencies, `lint` checks it, `fmt` cleans it, and `run` opens it in
        JupyterLab.
        """
    )


class NotebooksOverridesField(OverridesField):
    help = generate_file_based_overrides_field_help_message(
        NotebookTarget.alias,
        """
        overrides={
            "heavy.ipynb": {"parameters": {"rows": 1000}, "timeout": 120},
            ("a.ipynb", "b.ipynb"): {"skip_execute": True},
        }
        """,
    )


class NotebooksGeneratorTarget(TargetFilesGenerator):
    alias = "notebooks"
    core_fields = (*COMMON_TARGET_FIELDS, NotebooksSourcesField, NotebooksOverridesField)
    generated_target_cls = NotebookTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = _MOVED_FIELDS
    help = "Generate a `notebook` target for each file in the `sources` field."


class JupyterLabResolveField(PythonResolveField):
    help = help_text(
        """
        The resolve for the notebooks, which get all of its locked requirements. It must contain
        `jupyterlab` and `ipykernel`. By default, `[python].default_resolve`.
        """
    )


class JupyterLabTarget(Target):
    alias = "jupyter_lab"
    core_fields = (*COMMON_TARGET_FIELDS, JupyterLabResolveField)
    help = help_text(
        """
        `run` opens JupyterLab with the resolve's locked requirements and the source roots on disk.
        Autoreload is on, so a saved module is used at once.

        Pass JupyterLab's options after `--`: `run notebooks:lab -- --no-browser --port=9999`.
        """
    )
