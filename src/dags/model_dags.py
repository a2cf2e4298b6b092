"""The module that Airflow parses: a DAG for each model, from its declaration."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.sdk import get_parsing_context

BUNDLE = Path(__file__).parents[1]
# Some of Airflow's commands do not add the bundle to the path.
if str(BUNDLE) not in sys.path:
    sys.path.append(str(BUNDLE))

from dags.factory import load_dags  # noqa: E402
from dags.settings import DagsSettings  # noqa: E402

# To run a task, Airflow needs only its DAG.
ONLY = get_parsing_context().dag_id
for dag in load_dags(BUNDLE / "models", DagsSettings.load(), only=ONLY):
    globals()[dag.dag_id] = dag
