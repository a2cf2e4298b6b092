from __future__ import annotations

from pants.backend.python.subsystems.python_tool_base import LockfileRules, PythonToolBase
from pants.backend.python.target_types import EntryPoint
from pants.engine.rules import collect_rules
from pants.option.option_types import BoolOption, StrListOption, StrOption
from pants.util.strutil import softwrap


class ModelImages(PythonToolBase):
    options_scope = "images"
    name = "images"
    help = "How `model_image` targets become Docker images."

    # The scripts that run with it are handed to its interpreter.
    default_main = EntryPoint("pex.cli")
    # It always comes from a resolve, but Pants wants these of every tool.
    default_version = "pex"
    default_lockfile_resource = ("pants.backend.python.subsystems", "setuptools.lock")
    lockfile_rules_type = LockfileRules.CUSTOM
    # Byte code is made by the Python that will run it.
    default_interpreter_constraints = ["CPython==3.13.*"]
    register_interpreter_constraints = True

    folder = StrOption(
        default="docker",
        help="The folder of the Dockerfiles, and of what they and the layers are made with.",
    )
    base_image = StrOption(
        default="",
        help=softwrap(
            """
            The image to build on. By default, what `base/python.Dockerfile` makes of the pinned
            official Python image; name another, that is there already, where no registry can be
            reached.
            """
        ),
    )
    source = StrOption(
        default="",
        help="Where the source code is: the label `org.opencontainers.image.source`.",
    )
    licenses = StrOption(
        default="",
        help="An SPDX expression: the label `org.opencontainers.image.licenses`.",
    )
    models = StrListOption(
        default=["src/models/*/definition.py"],
        help="Files beside which `tailor` wants a `model_image`.",
    )
    tailor = BoolOption(default=True, help="If true, `tailor` adds `model_image` targets.")

    @property
    def base_dockerfile(self) -> str:
        return f"{self.folder}/base/python.Dockerfile"

    @property
    def base_globs(self) -> tuple[str, ...]:
        """What the base is made of, unless `base_image` names one."""
        return (self.base_dockerfile, f"{self.folder}/base/tidy.py")

    @property
    def file_globs(self) -> tuple[str, ...]:
        """The files that every image is made with."""
        return (f"{self.folder}/*.Dockerfile", f"{self.folder}/left_out.txt", *self.base_globs)


def rules():
    return collect_rules()
