"""What a training logs for people: pictures, the importance of columns, a model card."""

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
from modelling.training.pictures import confusion_matrix, importances, predicted_against_true
from modelling.training.train_task import Trained

SHUFFLES = 10
SAID_COLUMNS = 5
CARD = "model_card.md"


def report(trained: Trained) -> dict[str, object]:
    """Artifacts by their names: figures, `feature_importance.json` and `model_card.md`."""
    definition = trained.definition
    truth = trained.rows.hold_out[definition.target]
    importance = feature_importance(trained)
    leading = ", ".join(importance["column"].head(SAID_COLUMNS))
    say(f"{definition.name}: the columns that matter most are {leading}.")
    scorer = next(iter(definition.cross_validation))
    picture: dict[str, object] = (
        {"confusion_matrix.png": confusion_matrix(truth, trained.predictions[definition.target])}
        if definition.kind == "classification"
        else {
            "predicted_against_true.png": predicted_against_true(
                truth, trained.predictions, target=definition.target
            )
        }
    )
    return picture | {
        "feature_importance.png": importances(importance, scorer=scorer),
        "feature_importance.json": importance.set_index("column").to_dict("index"),
        CARD: model_card(trained, importance),
    }


def feature_importance(trained: Trained) -> pd.DataFrame:
    """By how much the model does worse on the hold-out when a column of its input is shuffled.

    One row per input column, the most important first: `column`, `mean` and `std` (float64) over
    10 shuffles, in the unit of the definition's first scorer. Columns that say the same share their
    importance.

    Source: L. Breiman, "Random Forests", Machine Learning 45 (2001), 5-32.
    """
    definition = trained.definition
    columns = definition.input_columns()
    found = permutation_importance(
        trained.pipeline,
        trained.rows.hold_out[columns],
        trained.rows.hold_out[definition.target],
        scoring=next(iter(definition.cross_validation.values())),
        n_repeats=SHUFFLES,
        random_state=0,
    )
    importance = pd.DataFrame(
        {"column": columns, "mean": found.importances_mean, "std": found.importances_std}
    )
    return importance.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def model_card(trained: Trained, importance: pd.DataFrame) -> str:
    """Markdown: what the model's author says in `model_card.md`, then what this training found."""
    definition = trained.definition
    card = Card(None, template=None)
    card.add_metrics(
        "This version/Metrics",
        description=f"On a hold-out of {len(trained.rows.hold_out):,} labelled rows that it has "
        f"not learnt from; it has learnt from {len(trained.rows.training):,}.",
        **{name: f"{value:.4g}" for name, value in trained.metrics.items()},
    )
    _add_table(card, "Importance of the input", importance.round(4))
    _add_table(card, "Input", _contract_table(definition.input_contract))
    _add_table(card, "Output", _contract_table(definition.output_contract))
    card.add(**{"This version/Origin": f"Trained at the git commit `{git_commit()}`."})
    return f"{_author(definition)}\n{card.render()}"


def _add_table(card: Card, title: str, table: pd.DataFrame) -> None:
    section = f"This version/{title}"
    card.add_table(**{section: table})
    # skops 0.16 takes the whole path for the title of a table.
    card.select(section).title = title


def _author(definition: ModelDefinition) -> str:
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
