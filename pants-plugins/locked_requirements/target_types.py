from __future__ import annotations

import os
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from pants.backend.python.macros.common_fields import (
    ModuleMappingField,
    RequirementsOverrideField,
    TypeStubsModuleMappingField,
)
from pants.backend.python.target_types import PythonRequirementResolveField, PythonRequirementTarget
from pants.engine.fs import PathGlobs
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    MultipleSourcesField,
    SingleSourceField,
    StringField,
    StringSequenceField,
    Target,
    TargetGenerator,
)
from pants.option.global_options import UnmatchedBuildFileGlobs
from pants.util.strutil import help_text


@dataclass(frozen=True)
class ClosureFolder:
    """Where the closures of one resolve lie, for all generators of one BUILD file."""

    spec_path: str
    resolve: str

    def relative_path(self, project: str) -> str:
        return os.path.join("closures", self.resolve, f"{canonicalize_name(project)}.txt")

    def path(self, project: str) -> str:
        return os.path.join(self.spec_path, self.relative_path(project))

    @property
    def description(self) -> str:
        return os.path.dirname(self.path("any"))


class LockedRequirementsSourceField(SingleSourceField):
    required = True
    help = help_text(
        """
        A requirements.txt-style file, one requirement per line.

        Example: `source="data.txt"`.
        """
    )


class LockedRequirementsTargetGenerator(TargetGenerator):
    alias = "locked_requirements"
    help = help_text(
        """
        Generate a `python_requirement` for each line of a requirements.txt-style file, as
        `python_requirements` does, but so that a change of the lockfile touches only the users of
        what moved.

        Each requirement depends on a small committed file, `closures/<resolve>/<requirement>.txt`
        beside the BUILD file, and on nothing else: neither on the requirements file nor on the
        lockfile (set `[python].enable_lockfile_targets = false`). The file names all that the
        requirement needs, as the lockfile pins it. `fmt` writes the files, `lint` fails where one
        does not fit the lockfile.

        For example, in `3rdparty/python/BUILD`:

            locked_requirements(
                name="data",
                source="data.txt",
                module_mapping={"mlflow-skinny": ["mlflow"]},
            )

        After a change of `data.txt`: `generate-lockfiles --resolve=<resolve>`, then
        `fmt 3rdparty/python::`.
        """
    )
    generated_target_cls = PythonRequirementTarget
    # Like `python_requirements`, this has no `dependencies` field.
    core_fields = (
        *COMMON_TARGET_FIELDS,
        ModuleMappingField,
        TypeStubsModuleMappingField,
        LockedRequirementsSourceField,
        RequirementsOverrideField,
    )
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = (PythonRequirementResolveField,)


class ClosureResolveField(StringField):
    alias = "resolve"
    required = True
    value: str
    help = "The resolve that the closures are taken from."


class RequirementClosureSourceField(SingleSourceField):
    uses_source_roots = False
    required = True
    # `fmt` makes the file, so a missing one is neither an error nor worth a warning.
    expected_num_files = range(2)  # type: ignore[assignment]

    def path_globs(self, _: UnmatchedBuildFileGlobs) -> PathGlobs:  # type: ignore[misc]
        return PathGlobs([self.file_path])


class RequirementClosureLinesField(StringSequenceField):
    alias = "lines"
    required = True
    value: tuple[str, ...]
    help = "The requirement's lines, each as `<file>:<number>: <requirement>`."


class RequirementClosureTarget(Target):
    alias = "_requirement_closure"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        RequirementClosureSourceField,
        RequirementClosureLinesField,
        ClosureResolveField,
    )
    help = "A private helper target: the file a requirement depends on in place of its lockfile."


class ClosureInputsSourcesField(MultipleSourcesField):
    uses_source_roots = False
    required = True

    def path_globs(self, _: UnmatchedBuildFileGlobs) -> PathGlobs:  # type: ignore[misc]
        return PathGlobs(os.path.join(self.address.spec_path, glob) for glob in self.globs)


class ClosureInputsTarget(Target):
    alias = "_closure_inputs"
    core_fields = (*COMMON_TARGET_FIELDS, ClosureInputsSourcesField, ClosureResolveField)
    help = help_text(
        """
        A private helper target that owns the requirements file and the lockfile. Nothing depends on
        it; because of it, `lint --changed-since` checks the closures after a change of either.
        """
    )
