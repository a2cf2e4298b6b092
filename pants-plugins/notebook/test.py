from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    EntryPoint,
    InterpreterConstraintsField,
    PythonResolveField,
)
from pants.backend.python.util_rules import pex_from_targets, python_sources
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import Pex, PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_environment import PexEnvironment
from pants.backend.python.util_rules.pex_from_targets import RequirementsPexRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFiles,
    PythonSourceFilesRequest,
)
from pants.core.goals.test import (
    TestExtraEnv,
    TestFieldSet,
    TestRequest,
    TestResult,
    TestSubsystem,
)
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import (
    CreateDigest,
    Digest,
    DigestContents,
    DigestSubset,
    FileContent,
    MergeDigests,
    PathGlobs,
    RemovePrefix,
    Snapshot,
)
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    HydratedSources,
    HydrateSourcesRequest,
    SourcesField,
    Target,
    TransitiveTargets,
    TransitiveTargetsRequest,
)
from pants.util.logging import LogLevel

from notebook.cells import UnreadableNotebookError, executable
from notebook.dependency_inference import KERNEL
from notebook.subsystem import Jupyter
from notebook.target_types import (
    NotebookExtraEnvVarsField,
    NotebookParametersField,
    NotebookSkipExecuteField,
    NotebookSourceField,
    NotebookTimeoutField,
)
from notebook.tools import NotebookTools

# The script stops a notebook at its timeout, and names the cell. Pants stops a script that hangs.
GRACE_SECONDS = 60
EXECUTED = "executed"
EXECUTION_FILE = "execution.json"


@dataclass(frozen=True)
class NotebookTestFieldSet(TestFieldSet):
    required_fields = (NotebookSourceField, NotebookTimeoutField)

    source: NotebookSourceField
    timeout: NotebookTimeoutField
    parameters: NotebookParametersField
    extra_env_vars: NotebookExtraEnvVarsField
    resolve: PythonResolveField
    interpreter_constraints: InterpreterConstraintsField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return tgt.get(NotebookSkipExecuteField).value


class NotebookTestRequest(TestRequest):
    tool_subsystem = Jupyter
    field_set_type = NotebookTestFieldSet


class NoKernelError(Exception):
    """A notebook's resolve has no kernel."""

    def __init__(self, address: Address, resolve: str) -> None:
        super().__init__(
            f"{address} cannot be executed: the resolve `{resolve}` has no `{KERNEL}`. Add it to "
            f"its requirements and run `generate-lockfiles --resolve={resolve}`, or "
            "set `skip_execute=True`."
        )


@dataclass(frozen=True)
class ExecutableNotebookRequest:
    source: NotebookSourceField


@dataclass(frozen=True)
class ExecutableNotebook:
    """The notebook without outputs and most metadata; `problem` says why it cannot be read."""

    digest: Digest
    problem: str


@dataclass(frozen=True)
class NotebookSandboxRequest:
    field_set: NotebookTestFieldSet


@dataclass(frozen=True)
class NotebookSandbox:
    """`digest` contains the notebook, the kernel, and the notebook's dependencies."""

    digest: Digest
    kernel: VenvPex
    programs: str
    source_roots: tuple[str, ...]
    problem: str


@rule
async def remove_outputs(request: ExecutableNotebookRequest) -> ExecutableNotebook:
    hydrated = await Get(HydratedSources, HydrateSourcesRequest(request.source))
    contents = await Get(DigestContents, Digest, hydrated.snapshot.digest)
    path, content, problem = contents[0].path, b"", ""
    try:
        content = executable(contents[0].content, path)
    except UnreadableNotebookError as error:
        problem = str(error)
    digest = await Get(Digest, CreateDigest([FileContent(path, content)]))
    return ExecutableNotebook(digest, problem)


def run_by(notebooks: Iterable[Target]) -> tuple[SourcesField, ...]:
    """The notebooks that another one runs with `%run`."""
    return tuple(
        target[NotebookSourceField] for target in notebooks if target.has_field(NotebookSourceField)
    )


@rule(desc="Prepare the sandbox of a notebook", level=LogLevel.DEBUG)
async def set_up_sandbox(
    request: NotebookSandboxRequest, setup: PythonSetup, pex_environment: PexEnvironment
) -> NotebookSandbox:
    field_set = request.field_set
    resolve = field_set.resolve.normalized_value(setup)
    constraints = InterpreterConstraints.create_from_compatibility_fields(
        [field_set.interpreter_constraints], setup
    )
    kernels, transitive, requirements, notebook = await MultiGet(
        Get(PythonModuleOwners, PythonModuleOwnersRequest(KERNEL, resolve, locality=None)),
        Get(TransitiveTargets, TransitiveTargetsRequest((field_set.address,))),
        Get(Pex, RequirementsPexRequest((field_set.address,))),
        Get(ExecutableNotebook, ExecutableNotebookRequest(field_set.source)),
    )
    if not kernels.unambiguous:
        raise NoKernelError(field_set.address, resolve)
    kernel, sources, others = await MultiGet(
        Get(
            VenvPex,
            PexRequest(
                output_filename="kernel.pex",
                internal_only=True,
                interpreter_constraints=constraints,
                main=EntryPoint("ipykernel_launcher"),
                pex_path=[requirements],
            ),
        ),
        Get(PythonSourceFiles, PythonSourceFilesRequest(transitive.closure, include_files=True)),
        Get(SourceFiles, SourceFilesRequest(run_by(transitive.dependencies))),
    )
    digests = (kernel.digest, notebook.digest, others.snapshot.digest)
    merged = MergeDigests((*digests, sources.source_files.snapshot.digest))
    digest = await Get(Digest, MergeDigests, merged)
    pex_root = pex_environment.in_sandbox(working_directory=None).pex_root
    programs = str(pex_root / kernel.venv_rel_dir / "bin")
    return NotebookSandbox(digest, kernel, programs, sources.source_roots, notebook.problem)


def execution_of(
    field_set: NotebookTestFieldSet, sandbox: NotebookSandbox, test: TestSubsystem
) -> dict[str, Any]:
    """The keys of `Execution` in scripts/execute.py."""
    path = field_set.source.file_path
    return {
        "notebook": path,
        "kernel": [sandbox.kernel.pex.argv0],
        "programs": sandbox.programs,
        "source_roots": sandbox.source_roots,
        "parameters": field_set.parameters.as_json(),
        "timeout": field_set.timeout.calculate_from_global_options(test),
        "executed": os.path.join(EXECUTED, os.path.basename(path)),
        "problem": sandbox.problem,
        "report": f"{field_set.address.path_safe_spec}.xml",
    }


@dataclass(frozen=True)
class NotebookProcessRequest:
    field_set: NotebookTestFieldSet


@rule
async def set_up_execution(
    request: NotebookProcessRequest,
    tools: NotebookTools,
    test: TestSubsystem,
    extra_env: TestExtraEnv,
) -> Process:
    field_set = request.field_set
    sandbox, own_env = await MultiGet(
        Get(NotebookSandbox, NotebookSandboxRequest(field_set)),
        Get(EnvironmentVars, EnvironmentVarsRequest(field_set.extra_env_vars.sorted())),
    )
    execution = execution_of(field_set, sandbox, test)
    file = FileContent(EXECUTION_FILE, json.dumps(execution).encode())
    described = await Get(Digest, CreateDigest([file]))
    input_digest = await Get(Digest, MergeDigests((sandbox.digest, described)))
    process = VenvPexProcess(
        tools.pex,
        argv=(EXECUTION_FILE,),
        input_digest=input_digest,
        append_only_caches=sandbox.kernel.append_only_caches,
        extra_env={**extra_env.env, **own_env, "PEX_MODULE": "execute"},
        output_files=(execution["report"],),
        output_directories=(EXECUTED,),
        timeout_seconds=execution["timeout"] and execution["timeout"] + GRACE_SECONDS,
        cache_scope=ProcessCacheScope.PER_SESSION if test.force else ProcessCacheScope.SUCCESSFUL,
        description=f"Execute {field_set.address}",
        level=LogLevel.DEBUG,
    )
    return await Get(Process, VenvPexProcess, process)


@rule(desc="Execute a notebook", level=LogLevel.DEBUG)
async def execute_notebook(
    batch: NotebookTestRequest.Batch[NotebookTestFieldSet, Any],
    test: TestSubsystem,
    jupyter: Jupyter,
) -> TestResult:
    field_set = batch.single_element
    result = await Get(FallibleProcessResult, NotebookProcessRequest(field_set))
    report, executed = await MultiGet(
        Get(Snapshot, DigestSubset(result.output_digest, PathGlobs(["*.xml"]))),
        Get(Snapshot, DigestSubset(result.output_digest, PathGlobs([f"{EXECUTED}/**"]))),
    )
    extra_output = await Get(Snapshot, RemovePrefix(executed.digest, EXECUTED))
    return TestResult.from_fallible_process_result(
        result,
        field_set.address,
        test.output,
        xml_results=report,
        extra_output=extra_output if jupyter.save_executed else None,
    )


def rules():
    return (
        *collect_rules(),
        *pex_from_targets.rules(),
        *python_sources.rules(),
        *NotebookTestRequest.rules(),
    )
