"""Build Airflow DAGs from declarations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG

from cli.errors import InputError
from dags.declaration import FILE, Declaration, Task
from dags.operators import RUNNERS
from dags.release import Release
from dags.settings import DagsSettings
from dags.steps import Step


class InvalidDeclarations(DAG):
    """A DAG that fails to import, to show the problems of declarations in Airflow's pages."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("invalid_declarations", schedule=None)
        self._problems = problems

    def validate(self) -> None:
        """Fail with the message that Airflow shows as the import error."""
        raise InputError("\n".join(self._problems))


def load_dags(folder: Path, settings: DagsSettings, only: str | None = None) -> Iterator[DAG]:
    """Build the DAGs of all models below a folder, or of one; problems of others come last."""
    problems = []
    for file in sorted(folder.glob(f"*/{FILE}")):
        if only and file.parent.name != only:
            continue
        try:
            yield load_dag(file, settings)
        except InputError as error:
            problems.append(str(error))
    if problems:
        yield InvalidDeclarations(problems)


def load_dag(file: Path, settings: DagsSettings) -> DAG:
    """Build the DAG that a file declares; its ID is the model's name.

    Raises:
        InputError: the declaration, or `release.json` in its folder, is not valid.
    """
    model = file.parent.name
    declaration, release = Declaration.read(file), Release.find(file)
    start = declaration.start_date
    with DAG(
        dag_id=model,
        description=declaration.description,
        doc_md=_doc(declaration, release),
        schedule=declaration.schedule,
        start_date=pendulum.datetime(start.year, start.month, start.day, tz=declaration.timezone),
        # One run at a time, and none for days before the DAG was enabled, so that versions are
        # registered in the order of training.
        catchup=False,
        max_active_runs=1,
        tags={model, *declaration.tags},
        default_args={"owner": declaration.owner, **_alerts(declaration, settings)},
    ) as dag:
        operators = {
            name: RUNNERS[settings.runner](
                Step.of(model, name, declaration, release, settings),
                settings,
                task_id=name,
                **_retries(task, declaration),
            )
            for name, task in declaration.tasks.items()
        }
        for name, task in declaration.tasks.items():
            operators[name].set_upstream([operators[before] for before in task.after])
    return dag


def _retries(task: Task, declaration: Declaration) -> dict[str, Any]:
    def minutes(of_task: float | None, of_all: float) -> timedelta:
        return timedelta(minutes=of_all if of_task is None else of_task)

    return {
        "retries": declaration.retries if task.retries is None else task.retries,
        "retry_delay": minutes(task.retry_delay_minutes, declaration.retry_delay_minutes),
        "execution_timeout": minutes(task.timeout_minutes, declaration.timeout_minutes),
    }


def _alerts(declaration: Declaration, settings: DagsSettings) -> dict[str, Any]:
    """Send e-mails about failures, except for processes: these run on a developer's machine."""
    if not declaration.alerts.emails or settings.runner == "process":
        return {}
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return {
        "on_failure_callback": SmtpNotifier(
            to=declaration.alerts.emails,
            subject="{{ dag.dag_id }}: {{ ti.task_id }} failed, run of {{ ds }}",
            html_content="<p>{{ exception | e }}</p><p><a href='{{ ti.log_url }}'>Log</a></p>",
        )
    }


def _doc(declaration: Declaration, release: Release | None) -> str:
    released = (
        f"Version {release.version or '?'}, commit {release.commit or '?'}, `{release.image}`."
        if release
        else "Not released: there is no release.json next to dag.toml."
    )
    return f"{declaration.description}\n\n{released}"
