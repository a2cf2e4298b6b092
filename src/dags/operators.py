"""Airflow operators for steps: processes, containers or pods.

Each function imports its provider, because Airflow parses DAGs often and needs only one of them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from dags.settings import DagsSettings
    from dags.steps import Step

# The working directory of images.
WORK = "/work"
# The variables of Airflow's environment that containers get: settings and secrets.
_INHERITED = ("DATASCIENCE_", "MLFLOW_", "AWS_")
_NOT_INHERITED = "DATASCIENCE_DAGS_"


def process(step: Step, settings: DagsSettings, **details: Any) -> BaseOperator:
    """Run a process with Airflow's own environment.

    Passes options in variables, because quotes in a rendered template would break a shell command.
    """
    from airflow.providers.standard.operators.bash import BashOperator

    variables = {f"TASK_{number}": text for number, text in enumerate(step.arguments)}
    command = f"exec {settings.python} {_program(step.module, settings)}"
    return BashOperator(
        bash_command=" ".join([command, *(f'"${name}"' for name in variables)]),
        env={**step.environment, **variables},
        append_env=True,
        cwd=settings.folder or str(Path.cwd()),
        # No exit code of a task means "skip".
        skip_on_exit_code=None,
        do_xcom_push=False,
        **details,
    )


def _program(module: str, settings: DagsSettings) -> str:
    if not settings.packages:
        return f"-m {shlex.quote(module)}"
    folder, _, name = module.rpartition(".")
    return shlex.quote(str(Path(settings.packages, f"src.{folder}", f"{name}.pex")))


def container(step: Step, settings: DagsSettings, **details: Any) -> BaseOperator:
    """Run a Docker container with settings and secrets from Airflow's environment."""
    from airflow.providers.docker.operators.docker import DockerOperator

    from docker.types import Mount

    folder = settings.folder or str(Path.cwd())
    return DockerOperator(
        image=step.image,
        command=[step.module, *step.arguments],
        environment=step.environment,
        # Airflow neither renders nor shows these.
        private_environment=_inherited(),
        docker_url=os.environ.get("DOCKER_HOST") or None,
        mounts=[Mount(target=WORK, source=folder, type="bind")],
        mount_tmp_dir=False,
        network_mode=settings.docker_network,
        user=settings.docker_user or None,
        cpus=step.resources.cpu,
        mem_limit=step.resources.memory.removesuffix("i").lower(),
        auto_remove="force",
        **details,
    )


def _inherited() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_INHERITED) and not name.startswith(_NOT_INHERITED)
    }


def pod(step: Step, settings: DagsSettings, **details: Any) -> BaseOperator:
    """Run a Kubernetes pod; it names secrets, and only the pod sees their values."""
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from kubernetes.client import models as k8s

    amounts = {"cpu": f"{step.resources.cpu:g}", "memory": step.resources.memory}
    claim = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=settings.volume_claim)
    shared = bool(settings.volume_claim)
    return KubernetesPodOperator(
        name=f"{step.model}-{step.name}".replace("_", "-"),
        namespace=settings.namespace,
        image=step.image,
        arguments=[step.module, *step.arguments],
        env_vars=step.environment,
        env_from=[
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=name))
            for name in step.secrets
        ],
        container_resources=k8s.V1ResourceRequirements(requests=amounts, limits=amounts),
        volumes=[k8s.V1Volume(name="work", persistent_volume_claim=claim)] if shared else [],
        volume_mounts=[k8s.V1VolumeMount(name="work", mount_path=WORK)] if shared else [],
        service_account_name=settings.service_account or None,
        image_pull_secrets=[k8s.V1LocalObjectReference(name=settings.pull_secret)]
        if settings.pull_secret
        else None,
        labels={"model": step.model, "task": step.name},
        on_finish_action="delete_pod",
        **details,
    )


RUNNERS: Mapping[str, Callable[..., BaseOperator]] = {
    "process": process,
    "docker": container,
    "kubernetes": pod,
}
