from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import ConsoleScript, PythonResolveField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexRequest
from pants.backend.python.util_rules.pex_environment import PexEnvironment, PythonExecutable
from pants.backend.python.util_rules.pex_requirements import EntireLockfile, Lockfile
from pants.base.build_environment import get_buildroot
from pants.core.goals.run import RunFieldSet, RunInSandboxBehavior, RunRequest
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.source.source_root import AllSourceRoots
from pants.util.frozendict import FrozenDict

from notebook.subsystem import Jupyter
from notebook.target_types import JupyterLabResolveField, NotebookSourceField

CHROOT = "{chroot}"
# A folder in the sandbox that Jupyter searches first.
JUPYTER_PATH = ".jupyter"


@dataclass(frozen=True)
class JupyterLabFieldSet(RunFieldSet):
    required_fields = (JupyterLabResolveField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    resolve: JupyterLabResolveField


@dataclass(frozen=True)
class RunNotebookFieldSet(RunFieldSet):
    required_fields = (NotebookSourceField, PythonResolveField)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    source: NotebookSourceField
    resolve: PythonResolveField


@dataclass(frozen=True)
class JupyterLabRequest:
    """JupyterLab with all requirements of a resolve; it opens `path`."""

    resolve: str
    path: str | None = None


def kernel_spec(resolve: str) -> bytes:
    """The only kernel; `python` is JupyterLab's own interpreter."""
    spec = {
        "argv": [
            *("python", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--IPKernelApp.extensions=autoreload",
            "--IPKernelApp.exec_lines=%autoreload 2",
        ],
        "display_name": f"Python 3 ({resolve})",
        "language": "python",
    }
    return f"{json.dumps(spec, indent=1)}\n".encode()


def python_path(root: str, source_roots: Iterable[str]) -> str:
    """The source roots on disk, so that saved modules are imported."""
    return os.pathsep.join(os.path.normpath(os.path.join(root, path)) for path in source_roots)


def variables(entries: Iterable[str]) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


def lab_pex_request(resolve: str, setup: PythonSetup) -> PexRequest:
    constraints = setup.resolves_to_interpreter_constraints.get(
        resolve, setup.interpreter_constraints
    )
    lockfile = Lockfile(
        url=setup.resolves[resolve],
        url_description_of_origin=f"the resolve `{resolve}`",
        resolve_name=resolve,
    )
    return PexRequest(
        output_filename="jupyter_lab.pex",
        internal_only=True,
        requirements=EntireLockfile(lockfile),
        interpreter_constraints=InterpreterConstraints(constraints),
        main=ConsoleScript("jupyter-lab"),
    )


@rule
async def run_jupyter_lab(
    request: JupyterLabRequest,
    setup: PythonSetup,
    pex_environment: PexEnvironment,
    source_roots: AllSourceRoots,
    jupyter: Jupyter,
) -> RunRequest:
    environment = pex_environment.in_workspace()
    pex_request = lab_pex_request(request.resolve, setup)
    spec = FileContent(f"{JUPYTER_PATH}/kernels/python3/kernel.json", kernel_spec(request.resolve))
    lab, python, kernel = await MultiGet(
        Get(VenvPex, VenvPexRequest(pex_request, environment)),
        Get(PythonExecutable, InterpreterConstraints, pex_request.interpreter_constraints),
        Get(Digest, CreateDigest([spec])),
    )
    opened = (request.path,) if request.path else ()
    return RunRequest(
        digest=await Get(Digest, MergeDigests((lab.digest, kernel))),
        args=(os.path.join(CHROOT, lab.pex.argv0), *opened),
        extra_env={
            **environment.environment_dict(python=python),
            **variables(jupyter.lab_env_vars),
            "JUPYTER_PATH": os.path.join(CHROOT, JUPYTER_PATH),
            "PYTHONPATH": python_path(get_buildroot(), (root.path for root in source_roots)),
        },
        append_only_caches=FrozenDict(
            {**environment.append_only_caches, **(lab.append_only_caches or {})}
        ),
    )


@rule
async def run_lab_target(field_set: JupyterLabFieldSet, setup: PythonSetup) -> RunRequest:
    resolve = field_set.resolve.normalized_value(setup)
    return await Get(RunRequest, JupyterLabRequest(resolve))


@rule
async def run_notebook(field_set: RunNotebookFieldSet, setup: PythonSetup) -> RunRequest:
    resolve = field_set.resolve.normalized_value(setup)
    return await Get(RunRequest, JupyterLabRequest(resolve, field_set.source.file_path))


def rules():
    return (*collect_rules(), *JupyterLabFieldSet.rules(), *RunNotebookFieldSet.rules())
