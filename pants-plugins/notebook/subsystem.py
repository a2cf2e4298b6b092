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
        Reads, executes and cleans `notebook` targets. The kernel comes from the notebook's own
        resolve. The packages of this tool only start the kernel and write files.
        """
    )

    default_main = EntryPoint("execute")
    # Required by Pants for every tool, and unused: the version comes from a resolve.
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
            Environment variables for the JupyterLab that `run` opens, as `NAME=value`. For
            example, paths: a kernel starts in the notebook's folder, not in the build root.
            """
        ),
    )
    save_executed = BoolOption(
        default=True,
        help="If true, `test` writes each executed notebook, with its plots, to `dist/test`.",
    )


class NbdevClean(Subsystem):
    options_scope = "nbdev-clean"
    name = "nbdev_clean"
    help = "Removes noise for diffs from notebooks (https://nbdev.fast.ai/api/clean)."

    skip = SkipOption("fmt", "lint")
    cell_metadata = StrListOption(
        default=["tags", "slideshow"],
        help="Keys to keep in a cell's metadata.",
    )


def rules():
    return collect_rules()
