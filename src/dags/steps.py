"""One task of a DAG, independent of its runner: module, options, environment and image."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dags.declaration import Declaration, Resources, Task
from dags.release import Release
from dags.settings import DagsSettings

# The image with the tasks of all models, and those outside of models.
ALL_TASKS = "datascience"


@dataclass(frozen=True)
class Step:
    """One task of a model's DAG; `arguments` and `environment` are templates."""

    model: str
    name: str
    module: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    secrets: tuple[str, ...]
    image: str
    resources: Resources

    @classmethod
    def of(
        cls,
        model: str,
        name: str,
        declaration: Declaration,
        release: Release | None,
        settings: DagsSettings,
    ) -> Step:
        """One task of a declaration."""
        task = declaration.tasks[name]
        module = task.module or f"models.{model}.{name}"
        environment = {**_of_release(release), **declaration.environment, **task.environment}
        return cls(
            model=model,
            name=name,
            module=module,
            arguments=_arguments(task, declaration, settings.places),
            environment={
                key: declaration.with_places(value, settings.places)
                for key, value in environment.items()
            },
            secrets=tuple(declaration.secrets),
            image=_image(model, module, release, settings),
            resources=task.resources or declaration.resources,
        )


def _of_release(release: Release | None) -> dict[str, str]:
    environment = release.environment if release else ""
    return {"DATASCIENCE_ENVIRONMENT": environment} if environment else {}


def _arguments(task: Task, declaration: Declaration, places: str) -> tuple[str, ...]:
    """The command-line options: `batch_rows = 9` becomes `--batch-rows 9`."""
    found: list[str] = []
    for name, value in task.options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{option}" if value else f"--no-{option}")
        else:
            found += [f"--{option}", declaration.with_places(str(value), places)]
    return tuple(found)


def _image(model: str, module: str, release: Release | None, settings: DagsSettings) -> str:
    """The model's image for its own tasks, else the image with all tasks."""
    own = module.startswith(f"models.{model}.")
    if release is None:
        return f"{settings.registry}{f'models/{model}' if own else ALL_TASKS}:latest"
    if own:
        return release.image
    registry = re.sub(rf"models/{model}[:@].*$", "", release.image)
    return release.shared_image or f"{registry}{ALL_TASKS}:{release.commit or 'latest'}"
