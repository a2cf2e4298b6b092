"""Which code can load a model version.

Training records its Python, requirements, input contract and code with the version. Prediction
compares this record with its own before it loads the version.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from typing import Annotated, Self

import pandas as pd
import pandera.pandas as pa
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import StringConstraints, TypeAdapter, ValidationError
from sklearn.pipeline import Pipeline

from cli.errors import UserError
from cli.task import IMAGE_VARIABLE
from cli.terminal import say
from modelling.definition import ModelDefinition
from modelling.stored_models.pipeline_code import NO_SOURCE, code_of

TAG = "compatibility"
# Format 1 had no field `format`, and only a fingerprint of the modules that a definition listed.
FORMAT = 2
# A message names this many modules and counts the rest.
_SHOWN_MODULES = 5
COMMIT_VARIABLES = ("DATASCIENCE_GIT_COMMIT", "CI_COMMIT_SHA")
# Every pipeline needs these: skops stores it, and pandera validates its input and output.
_ALWAYS_NEEDED = ("pandas", "pandera", "scikit-learn", "skops")
# Others may write to the registry, so the values of a record are restricted.
type _Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
type _Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9_.-]+$")]


class UnreadableRecordError(UserError):
    """A version's tags contain a record that training did not write."""


@dataclass(frozen=True, kw_only=True)
class Compatibility:
    """What a model version was trained with.

    `requirements` are the versions of the distributions that the model uses, and `code` the
    fingerprints of its pipeline's modules. The other fingerprints are hexadecimal SHA-256 digests
    of the requirements, of the input contract, and of all modules in `code`.
    """

    git_commit: _Text
    image: _Text
    python: _Text
    requirements: Mapping[_Name, _Text]
    requirements_fingerprint: _Text
    schema_fingerprint: _Text
    code_fingerprint: _Text
    code: Mapping[_Name, _Text] = field(default_factory=dict)
    format: int = 1

    @classmethod
    def of_this_process(cls, definition: ModelDefinition, requirements: Iterable[str]) -> Self:
        """The record of this process; of the installed distributions, only `requirements`."""
        versions = {name: _installed_version(name) for name in sorted(requirements)}
        code = code_of(definition.build_pipeline, definition.predict)
        return cls(
            git_commit=git_commit(),
            image=os.environ.get(IMAGE_VARIABLE, ""),
            python=".".join(platform.python_version_tuple()[:2]),
            requirements=versions,
            requirements_fingerprint=_hash_json(versions),
            schema_fingerprint=schema_fingerprint(definition.input_contract),
            code_fingerprint=code.fingerprint,
            code=code.modules,
            format=FORMAT,
        )

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """Read what `to_tags` wrote; None if the version has no record.

        Raises:
            UnreadableRecordError: the tag contains something else.
        """
        if TAG not in tags:
            return None
        try:
            return TypeAdapter(cls).validate_json(tags[TAG], strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"][:1])
            raise UnreadableRecordError(
                f"its tag {TAG!r} is not a record of what it was trained with"
                f" ({f'{place}: ' if place.isidentifier() else ''}{first['msg']})"
            ) from error

    def to_tags(self) -> dict[str, str]:
        """The tags of a model version: the whole record, and its fields to search by."""
        record = asdict(self)
        parts = {name: value for name, value in record.items() if isinstance(value, str)}
        return {TAG: json.dumps(record, sort_keys=True), **parts}

    def differences(self, other: Compatibility) -> list[str]:
        """Why `other` cannot load a version with this record; empty if it can.

        The commit and the image do not count: another commit with the same code, contract and
        requirements can load the version.
        """
        found = []
        if self.python != other.python:
            found.append(f"Python: trained with {self.python}, here {other.python}")
        for name in sorted(self.requirements):
            here = other.requirements.get(name, "missing")
            if self.requirements[name] != here:
                found.append(f"{name}: trained with {self.requirements[name]}, here {here}")
        if self.schema_fingerprint != other.schema_fingerprint:
            found.append("the input contract has changed")
        return [*found, *self._code_differences(other)]

    def _code_differences(self, other: Compatibility) -> list[str]:
        if self.format != other.format:
            return [
                f"its record has format {self.format}, expected format {other.format}; "
                "it is unknown whether the model's code has changed"
            ]
        if NO_SOURCE in (self.code_fingerprint, other.code_fingerprint):
            return ["the model's code cannot be compared: the source of one side is missing"]
        if self.code_fingerprint == other.code_fingerprint:
            return []
        changed = sorted(
            name
            for name in {*self.code, *other.code}
            if self.code.get(name) != other.code.get(name)
        )
        more = f" and {len(changed) - _SHOWN_MODULES} more" if len(changed) > _SHOWN_MODULES else ""
        named = f": {', '.join(changed[:_SHOWN_MODULES])}{more}" if changed else ""
        return [f"the model's code has changed{named}"]


def used_requirements(pipeline: Pipeline) -> list[str]:
    """The installed distributions that a pipeline uses, with their dependencies."""
    providers = _providers()
    modules = {type(part).__module__.partition(".")[0] for part in _components(pipeline)}
    direct = {name for module in modules for name in providers.get(module, ())}
    return sorted(_with_dependencies({*direct, *_ALWAYS_NEEDED}))


@cache
def _providers() -> Mapping[str, list[str]]:
    """The installed distributions by the module that they provide; takes a second."""
    return metadata.packages_distributions()


def git_commit() -> str:
    """The commit of this code; ends in `+changes` if the working tree differs from it."""
    for variable in COMMIT_VARIABLES:
        if commit := os.environ.get(variable):
            return commit
    commit = _run_git("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    # Untracked modules can be imported, too; the plugin `model_image` also counts them.
    changed = _run_git("status", "--porcelain", "--untracked-files=normal")
    return f"{commit}+changes" if changed else commit


def schema_fingerprint(contract: type[pa.DataFrameModel]) -> str:
    """A fingerprint of a contract: names, types, nullability and checks of its columns."""
    schema = contract.to_schema()
    return _hash_json(
        {
            "strict": str(schema.strict),
            "columns": {
                name: [
                    str(column.dtype),
                    column.nullable,
                    column.required,
                    column.unique,
                    column.coerce,
                    [[check.name, repr(check.statistics)] for check in column.checks],
                ]
                for name, column in schema.columns.items()
            },
        }
    )


def frame_fingerprint(frame: pd.DataFrame) -> str:
    """A fingerprint of a frame's values in their order, and of its column names."""
    hashes = pd.util.hash_pandas_object(frame, index=False)
    return _hash_json([[str(name) for name in frame.columns], hashes.tolist()])


def _hash_json(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _components(pipeline: Pipeline) -> Iterable[object]:
    return [value for value in pipeline.get_params(deep=True).values() if value is not None]


def _with_dependencies(names: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = sorted(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [
            requirement.name
            for requirement in map(Requirement, requires)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return found


def _installed_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


_say_once = cache(say)


def _run_git(*arguments: str) -> str:
    try:
        # Do not lock the index, so that a commit at the same time succeeds.
        command = ["git", "--no-optional-locks", *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError:
        return ""
    if "safe.directory" in done.stderr:
        remedy = done.stderr.strip().splitlines()[-1].strip()
        _say_once(
            "The commit is unknown: Git does not trust the clone's owner. "
            f"To fix this, run: {remedy}"
        )
    return done.stdout.strip() if done.returncode == 0 else ""
