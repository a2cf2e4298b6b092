"""A model version and the code that can load it belong together.

Training records what the version was made with; prediction compares that with itself before it
loads anything.
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
# 1 had no field `format`, and a fingerprint of a few modules only, which a definition listed.
FORMAT = 2
# Modules that a message names before it counts the rest.
_NAMED = 5
COMMIT_VARIABLES = ("DATASCIENCE_GIT_COMMIT", "CI_COMMIT_SHA")
# Whatever a pipeline is made of: it is stored by skops, and its input and output are checked.
_ALWAYS_NEEDED = ("pandas", "pandera", "scikit-learn", "skops")
# A record comes from a registry that others may write to: it names nothing but what fits.
type _Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
type _Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9_.-]+$")]


class UnreadableRecordError(UserError):
    """A version's tags hold something else than what training records."""


@dataclass(frozen=True, kw_only=True)
class Compatibility:
    """What a model version was trained with.

    `requirements` are the locked distributions that the model uses, by version, and `code` the
    fingerprints of the modules that its pipeline is made of. The other fingerprints are SHA-256 in
    hexadecimal: of the requirements, of the input contract, and of all modules of `code`.
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
        """What this process would load the model with; looks up `requirements` only."""
        versions = {name: _version(name) for name in sorted(requirements)}
        code = code_of(definition.build_pipeline, definition.predict)
        return cls(
            git_commit=git_commit(),
            image=os.environ.get(IMAGE_VARIABLE, ""),
            python=".".join(platform.python_version_tuple()[:2]),
            requirements=versions,
            requirements_fingerprint=_fingerprint(versions),
            schema_fingerprint=schema_fingerprint(definition.input_contract),
            code_fingerprint=code.fingerprint,
            code=code.modules,
            format=FORMAT,
        )

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """What `to_tags` wrote, or None where nothing was recorded.

        Raises:
            UnreadableRecordError: the tag holds something else.
        """
        if TAG not in tags:
            return None
        try:
            return TypeAdapter(cls).validate_json(tags[TAG], strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"][:1])
            raise UnreadableRecordError(
                f"the tag {TAG!r} holds no record of what it was trained with"
                f" ({f'{place}: ' if place.isidentifier() else ''}{first['msg']})"
            ) from error

    def to_tags(self) -> dict[str, str]:
        """As tags of a model version: the record as a whole, and its parts to search by."""
        record = asdict(self)
        parts = {name: value for name, value in record.items() if isinstance(value, str)}
        return {TAG: json.dumps(record, sort_keys=True), **parts}

    def differences(self, other: Compatibility) -> list[str]:
        """What keeps `other` from loading what was made with this; empty where they agree.

        The commit and the image are not compared: another commit with the same code, contract and
        requirements loads the model just as well.
        """
        found = []
        if self.python != other.python:
            found.append(f"Python: trained with {self.python}, this is {other.python}")
        for name in sorted(self.requirements):
            here = other.requirements.get(name, "missing")
            if self.requirements[name] != here:
                found.append(f"{name}: trained with {self.requirements[name]}, here {here}")
        if self.schema_fingerprint != other.schema_fingerprint:
            found.append("the input contract has changed since")
        return [*found, *self._code_differences(other)]

    def _code_differences(self, other: Compatibility) -> list[str]:
        if self.format != other.format:
            return [
                f"its record has format {self.format}, this code compares format {other.format}: "
                "whether all code that decides its results is the same is unknown"
            ]
        if NO_SOURCE in (self.code_fingerprint, other.code_fingerprint):
            return ["the model's code cannot be compared: one of the two came without its source"]
        if self.code_fingerprint == other.code_fingerprint:
            return []
        changed = sorted(
            name
            for name in {*self.code, *other.code}
            if self.code.get(name) != other.code.get(name)
        )
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        named = f": {', '.join(changed[:_NAMED])}{more}" if changed else ""
        return [f"the model's code has changed since{named}"]


def used_requirements(pipeline: Pipeline) -> list[str]:
    """The installed distributions that a pipeline uses, with all that these require."""
    providers = _providers()
    modules = {type(part).__module__.partition(".")[0] for part in _parts(pipeline)}
    direct = {name for module in modules for name in providers.get(module, ())}
    return sorted(_closure({*direct, *_ALWAYS_NEEDED}))


@cache
def _providers() -> Mapping[str, list[str]]:
    """The installed distributions by the module that they provide: a second's work."""
    return metadata.packages_distributions()


def git_commit() -> str:
    """The commit this code was built from; `+changes` where the working tree differs from it."""
    for variable in COMMIT_VARIABLES:
        if commit := os.environ.get(variable):
            return commit
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    # An untracked module is imported as any other; the plugin `model_image` counts the same.
    changed = _git("status", "--porcelain", "--untracked-files=normal")
    return f"{commit}+changes" if changed else commit


def schema_fingerprint(contract: type[pa.DataFrameModel]) -> str:
    """A fingerprint of what a contract demands; names, types, nullability, checks."""
    schema = contract.to_schema()
    return _fingerprint(
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
    """A fingerprint of a frame's values, in their order, and of its columns' names."""
    hashes = pd.util.hash_pandas_object(frame, index=False)
    return _fingerprint([[str(name) for name in frame.columns], hashes.tolist()])


def _fingerprint(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _parts(pipeline: Pipeline) -> Iterable[object]:
    return [value for value in pipeline.get_params(deep=True).values() if value is not None]


def _closure(names: set[str]) -> set[str]:
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


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


_say_once = cache(say)


def _git(*arguments: str) -> str:
    try:
        # Whoever commits just now does not find the index locked by us.
        command = ["git", "--no-optional-locks", *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError:
        return ""
    if "safe.directory" in done.stderr:
        remedy = done.stderr.strip().splitlines()[-1].strip()
        _say_once(
            f"The commit is unknown: git does not trust the clone's owner. To fix that: {remedy}"
        )
    return done.stdout.strip() if done.returncode == 0 else ""
