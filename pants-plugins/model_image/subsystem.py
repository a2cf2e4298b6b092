from __future__ import annotations

from pants.backend.python.subsystems.python_tool_base import LockfileRules, PythonToolBase
from pants.backend.python.target_types import EntryPoint
from pants.engine.fs import GlobMatchErrorBehavior, PathGlobs
from pants.engine.rules import collect_rules
from pants.option.option_types import BoolOption, StrListOption, StrOption
from pants.util.strutil import softwrap


class ModelImages(PythonToolBase):
    options_scope = "images"
    name = "images"
    help = "Builds Docker images of `model_image` targets."

    # Required by Pants, and unused: `PEX_MODULE` selects the script to run.
    default_main = EntryPoint("pex.cli")
    # Required by Pants for every tool, and unused: the version comes from a resolve.
    default_version = "pex"
    default_lockfile_resource = ("pants.backend.python.subsystems", "setuptools.lock")
    lockfile_rules_type = LockfileRules.CUSTOM
    # The images' Python, since it compiles the byte code in the layers.
    default_interpreter_constraints = ["CPython==3.13.*"]
    register_interpreter_constraints = True

    folder = StrOption(
        default="docker",
        help="The folder of the Dockerfiles and of the other files that images are built with.",
    )
    base_image = StrOption(
        default="",
        help=softwrap(
            """
            The base image. By default, it is built by `base/python.Dockerfile` from the pinned
            official Python image. If no registry can be reached, name an image that the Docker
            engine already has.
            """
        ),
    )
    source = StrOption(
        default="",
        help="The URL of the source code, for the label `org.opencontainers.image.source`.",
    )
    licenses = StrOption(
        default="",
        help="An SPDX expression, for the label `org.opencontainers.image.licenses`.",
    )
    models = StrListOption(
        default=["src/models/*/definition.py"],
        help="Globs of files. `tailor` adds a `model_image` to each folder that has one of them.",
    )
    tailor = BoolOption(default=True, help="If true, `tailor` adds `model_image` targets.")

    @property
    def base_dockerfile(self) -> str:
        return f"{self.folder}/base/python.Dockerfile"

    @property
    def base_globs(self) -> tuple[str, ...]:
        """The files that the base image is built from, unless `base_image` is set."""
        return (self.base_dockerfile, f"{self.folder}/base/tidy.py")

    @property
    def third_party_dockerfile(self) -> str:
        return f"{self.folder}/third_party.Dockerfile"

    @property
    def image_dockerfile(self) -> str:
        return f"{self.folder}/image.Dockerfile"

    @property
    def left_out(self) -> str:
        return f"{self.folder}/left_out.txt"

    @property
    def file_globs(self) -> tuple[str, ...]:
        """The files that every image is built with."""
        return (f"{self.folder}/*.Dockerfile", self.left_out, *self.base_globs)

    def required_files(self, *globs: str) -> PathGlobs:
        """Globs of files that images are built with. A glob that matches nothing is an error."""
        return PathGlobs(
            globs,
            glob_match_error_behavior=GlobMatchErrorBehavior.error,
            description_of_origin=f"the option `[{self.options_scope}].folder`",
        )


def rules():
    return collect_rules()
