"""What Airflow parses: a DAG for each model, from its declaration."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.sdk import get_parsing_context

BUNDLE = Path(__file__).parents[1]
# Not all of Airflow's commands look for modules where a bundle lies.
if str(BUNDLE) not in sys.path:
    sys.path.append(str(BUNDLE))

from dags.factory import dags_of  # noqa: E402
from dags.settings import DagsSettings  # noqa: E402

# Where a task is run, only its DAG is asked for.
ASKED_FOR = get_parsing_context().dag_id
for dag in dags_of(BUNDLE / "models", DagsSettings.load(), only=ASKED_FOR):
    globals()[dag.dag_id] = dag
