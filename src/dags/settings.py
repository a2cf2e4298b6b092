"""Settings of all DAGs: where their tasks run."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from config.settings import Settings


class DagsSettings(Settings):
    """Where the tasks of all DAGs run; the models' declarations define the tasks."""

    section: ClassVar[str] = "dags"

    runner: Literal["process", "docker", "kubernetes"] = Field(
        "process", description="How to run a task: as a process, a Docker container or a pod."
    )
    folder: str = Field(
        "",
        description="Where tasks read and write files; default: Airflow's current folder.",
    )
    places: str = Field(
        "",
        description="The base of relative [inputs] and [outputs]: a folder, or s3://bucket/prefix, "
        "which needs no shared volume; default: the folder of the tasks.",
    )
    python: str = Field("python", description="For processes: the Python interpreter.")
    packages: str = Field(
        "",
        description="For processes: the folder with the output of `./pants package`; default: "
        "`python` imports our modules.",
    )
    registry: str = Field(
        "", description="The prefix of image names, for models without a release."
    )
    docker_network: str = Field("bridge", description="For containers: their network.")
    docker_user: str = Field("", description="For containers: UID:GID; default: the image's.")
    namespace: str = Field("default", description="For pods: their namespace.")
    service_account: str = Field("", description="For pods: their service account.")
    pull_secret: str = Field("", description="For pods: the secret to pull images with.")
    volume_claim: str = Field(
        "", description="For pods: the volume that tasks share; default: none."
    )
