"""What can be set for all DAGs: where their tasks run."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from config.settings import Settings


class DagsSettings(Settings):
    """Where the tasks of all DAGs run; what they do is in the models' declarations."""

    section: ClassVar[str] = "dags"

    runner: Literal["process", "docker", "kubernetes"] = Field(
        "process", description="What a task is: a process, a container, a pod."
    )
    folder: str = Field(
        "",
        description="Where tasks read and write files; default: Airflow's current folder.",
    )
    places: str = Field(
        "",
        description="Where the relative [inputs] and [outputs] of all models are: a folder, or "
        "s3://bucket/prefix, which needs no shared volume; default: the folder of the tasks.",
    )
    python: str = Field("python", description="For processes: what runs packages, or modules.")
    packages: str = Field(
        "",
        description="For processes: the folder of what `./pants package` made of the tasks; "
        "default: `python` finds our modules by itself.",
    )
    registry: str = Field(
        "", description="What stands before the names of images, where no release names one."
    )
    docker_network: str = Field("bridge", description="For containers: their network.")
    docker_user: str = Field("", description="For containers: UID:GID; default: the image's.")
    namespace: str = Field("default", description="For pods: their namespace.")
    service_account: str = Field("", description="For pods: their service account.")
    pull_secret: str = Field("", description="For pods: the secret that images are pulled with.")
    volume_claim: str = Field(
        "", description="For pods: the volume that tasks share; without it, none is mounted."
    )
