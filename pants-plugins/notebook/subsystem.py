from __future__ import annotations

from pants.backend.python.subsystems.python_tool_base import LockfileRules, PythonToolBase
from pants.backend.python.target_types import EntryPoint
from pants.engine.rules import collect_rules
from pants.option.option_types import BoolOption, SkipOption, StrListOption
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap


class Jupyter(PythonToolBase):
    options_scope = "jupyter"
    name = "jupyter"
    help = softwrap(
        """
        How `notebook` targets are read, executed and cleaned. The kernel comes from the notebook's
        own resolve; what this installs only starts it and writes files.
        """
    )

    default_main = EntryPoint("execute")
    # It always comes from a resolve, but Pants wants these of every tool.
    default_version = "nbclient"
    default_lockfile_resource = ("pants.backend.python.subsystems", "setuptools.lock")
    lockfile_rules_type = LockfileRules.CUSTOM
    default_interpreter_constraints = ["CPython==3.13.*"]
    register_interpreter_constraints = True

    skip = SkipOption("lint", "test")
    tailor = BoolOption(default=True, help="If true, `tailor` adds `notebooks` targets.")
    lab_env_vars = StrListOption(
        default=[],
        help=softwrap(
            """
            Environment variables of the JupyterLab that `run` opens, as `NAME=value`, for what a
            kernel, which starts in the notebook's folder, cannot find by a relative path.
            """
        ),
    )
    save_executed = BoolOption(
        default=True,
        help="If true, `test` leaves each executed notebook, with its plots, below `dist/test`.",
    )


class NbdevClean(Subsystem):
    options_scope = "nbdev-clean"
    name = "nbdev_clean"
    help = "Takes out of notebooks what only makes diffs longer (https://nbdev.fast.ai/api/clean)."

    skip = SkipOption("fmt", "lint")
    cell_metadata = StrListOption(
        default=["tags", "slideshow"],
        help="Keys of a cell's metadata that stay.",
    )


def rules():
    return collect_rules()
