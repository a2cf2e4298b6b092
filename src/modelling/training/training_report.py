"""Build the report of a training: figures, the importance of columns, and a model card."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pandas as pd
import pandera.pandas as pa
from sklearn.inspection import permutation_importance
from skops.card import Card

from cli.terminal import say
from datasets.checks import describe_check
from modelling.definition import ModelDefinition
from modelling.registry.compatibility import git_commit
from modelling.training.plots import (
    draw_confusion_matrix,
    draw_importances,
    draw_predicted_against_true,
)
from modelling.training.train_task import TrainingResult

SHUFFLES = 10
REPORTED_COLUMNS = 5
CARD = "model_card.md"


def build_report(result: TrainingResult) -> dict[str, object]:
    """Build artifacts by name: figures, `feature_importance.json` and `model_card.md`."""
    definition = result.definition
    truth = result.rows.hold_out[definition.target]
    importance = measure_importance(result)
    leading = ", ".join(importance["column"].head(REPORTED_COLUMNS))
    say(f"{definition.name}: the columns that matter most are {leading}.")
    scorer = next(iter(definition.cross_validation))
    figure: dict[str, object] = (
        {
            "confusion_matrix.png": draw_confusion_matrix(
                truth, result.predictions[definition.target]
            )
        }
        if definition.kind == "classification"
        else {
            "predicted_against_true.png": draw_predicted_against_true(
                truth, result.predictions, target=definition.target
            )
        }
    )
    return figure | {
        "feature_importance.png": draw_importances(importance, scorer=scorer),
        "feature_importance.json": importance.set_index("column").to_dict("index"),
        CARD: render_model_card(result, importance),
    }


def measure_importance(result: TrainingResult) -> pd.DataFrame:
    """Measure how much the hold-out score drops when the values of an input column are shuffled.

    Returns one row per input column, the most important first: `column`, `mean` and `std` (float64)
    over 10 shuffles, in the unit of the definition's first scorer. Correlated columns share their
    importance.

    Source: L. Breiman, "Random Forests", Machine Learning 45 (2001), 5-32.
    """
    definition = result.definition
    columns = definition.input_columns()
    found = permutation_importance(
        result.pipeline,
        result.rows.hold_out[columns],
        result.rows.hold_out[definition.target],
        scoring=next(iter(definition.cross_validation.values())),
        n_repeats=SHUFFLES,
        random_state=0,
    )
    importance = pd.DataFrame(
        {"column": columns, "mean": found.importances_mean, "std": found.importances_std}
    )
    return importance.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def render_model_card(result: TrainingResult, importance: pd.DataFrame) -> str:
    """Render the author's `model_card.md`, followed by the results of this training."""
    definition = result.definition
    metrics = {**result.cross_validation, **result.scores}
    card = Card(None, template=None)
    card.add_metrics(
        "This version/Metrics",
        description=f"Trained on {len(result.rows.training):,} labelled rows, evaluated on a "
        f"hold-out of {len(result.rows.hold_out):,} others.",
        **{name: f"{value:.4g}" for name, value in metrics.items()},
    )
    _add_table(card, "Importance of the input", importance.round(4))
    _add_table(card, "Input", _contract_table(definition.input_contract))
    _add_table(card, "Output", _contract_table(definition.output_contract))
    card.add(**{"This version/Origin": f"Trained at the Git commit `{git_commit()}`."})
    return f"{_read_author_text(definition)}\n{card.render()}"


def _add_table(card: Card, title: str, table: pd.DataFrame) -> None:
    section = f"This version/{title}"
    card.add_table(**{section: table})
    # skops 0.16 uses the whole path as the title of a table.
    card.select(section).title = title


def _read_author_text(definition: ModelDefinition) -> str:
    file = resources.files(f"models.{definition.name}") / CARD
    return file.read_text() if file.is_file() else f"# {definition.name}\n"


def _contract_table(contract: type[pa.DataFrameModel]) -> pd.DataFrame:
    def row(name: str, column: Any) -> tuple[str, str, str, str]:
        checks = ", ".join(map(describe_check, column.checks))
        missing = "may be missing" if column.nullable else ""
        rules = ", ".join(filter(None, (checks, missing)))
        return name, str(column.dtype), rules, column.description or ""

    columns = contract.to_schema().columns
    return pd.DataFrame(
        [row(name, column) for name, column in columns.items()],
        columns=["column", "dtype", "rules", "meaning"],
    )
