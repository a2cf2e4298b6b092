from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pants.backend.python.util_rules import pex
from pants.backend.python.util_rules.pex import PexRequest, VenvPex
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.rules import Get, collect_rules, rule
from pants.option.errors import OptionsError
from pants.util.logging import LogLevel

from notebook.subsystem import Jupyter

# The scripts run on the notebooks' Python with the requirements of `[jupyter]`, not inside Pants.
SCRIPTS = Path(__file__).parent / "scripts"
PROGRAMS = ("clean.py", "execute.py")


@dataclass(frozen=True)
class NotebookTools:
    """The scripts of this plugin, installed with their requirements; `PEX_MODULE` selects one."""

    pex: VenvPex


@rule(desc="Install the tools for notebooks", level=LogLevel.DEBUG)
async def install_tools(jupyter: Jupyter) -> NotebookTools:
    if not jupyter.install_from_resolve:
        raise OptionsError(
            "[jupyter].install_from_resolve is not set. Add a resolve with nbclient, nbdev, "
            "nbformat and papermill to `[python].resolves`, and set the option to its name."
        )
    files = (FileContent(name, (SCRIPTS / name).read_bytes()) for name in PROGRAMS)
    sources = await Get(Digest, CreateDigest(files))
    return NotebookTools(await Get(VenvPex, PexRequest, jupyter.to_pex_request(sources=sources)))


def rules():
    return (*collect_rules(), *pex.rules())
