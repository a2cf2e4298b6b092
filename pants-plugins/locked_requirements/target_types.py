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
    """The folder of one resolve's closures, for all generators of one BUILD file."""

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
        Generate a `python_requirement` for each line of a requirements.txt-style file, like
        `python_requirements`. In contrast to that, a change of the lockfile affects only the users
        of the packages that changed.

        Each requirement depends only on a small committed file next to the BUILD file,
        `closures/<resolve>/<requirement>.txt`. It depends neither on the requirements file nor on
        the lockfile (set `[python].enable_lockfile_targets = false`). The file lists all packages
        that the requirement needs, with their locked versions. `fmt` writes the files. `lint`
        fails if a file does not match the lockfile.

        For example, in `3rdparty/python/BUILD`:

            locked_requirements(
                name="data",
                source="data.txt",
                module_mapping={"mlflow-skinny": ["mlflow"]},
            )

        After you change `data.txt`, run `generate-lockfiles --resolve=<resolve>`, then
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
    # `fmt` creates the file, so a missing one is neither an error nor a warning.
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
    help = "A private helper target: the file a requirement depends on instead of its lockfile."


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
        it, but it makes `lint --changed-since` check the closures after a change of either file.
        """
    )
