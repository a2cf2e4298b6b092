"""What a change can affect, as tables: to add a kind of artifact, add a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from tools.workspace.target_graph import Target


@dataclass(frozen=True)
class Kind:
    """One kind of artifact.

    Attributes:
        name: in the plural.
        path: matches the file of a target, or its folder with a trailing slash; the group `name`
            names the artifact. Targets with the same name belong to one artifact.
        types: the target types that may be of this kind; empty for all.
        is_listed: whether reports list each artifact with its reason, rather than a count.
        also_affected_by_types: types of targets that are of another kind, and that affect the
            artifact of the same name too.
    """

    name: str
    path: str
    types: frozenset[str] = frozenset()
    is_listed: bool = True
    also_affected_by_types: frozenset[str] = frozenset()

    def name_of(self, target: Target) -> str | None:
        """The name of the artifact that a target belongs to, None if it is not of this kind."""
        return self._name(target) if not self.types or target.type in self.types else None

    def also_affected_by(self, target: Target) -> str | None:
        """The name of the artifact that a target of another kind would affect."""
        return self._name(target) if target.type in self.also_affected_by_types else None

    def _name(self, target: Target) -> str | None:
        # The root's targets are copies of other folders' files, for tests.
        if not target.folder:
            return None
        match = re.fullmatch(self.path, target.path)
        return match and (match.groupdict().get("name") or target.address)


@dataclass(frozen=True)
class OutOfGraphRule:
    """Files that affect artifacts without being their dependencies; empty `kinds` are all."""

    files: tuple[str, ...]
    reason: str
    kinds: frozenset[str] = frozenset()

    def matches(self, file: str) -> bool:
        """Whether a pattern matches; a later one with `!` excludes files again."""
        included = False
        for pattern in self.files:
            if PurePosixPath(file).full_match(pattern.removeprefix("!")):
                included = not pattern.startswith("!")
        return included


MODELS, IMAGES, NOTEBOOKS, DAGS = "models", "images", "notebooks", "DAGs"
CONTRACTS, TESTS = "data contracts", "tests"

# In the order of reports. A target belongs to the last kind that matches it.
KINDS = (
    # A model does not need what only its notebooks use.
    Kind(MODELS, r"src/models/(?P<name>[^/]+)/(?!notebooks/).*"),
    Kind(IMAGES, r".*", types=frozenset({"model_image"})),
    Kind(NOTEBOOKS, r"(?P<name>.*\.ipynb)"),
    # A declaration. If the model's image changes, its DAG runs different code too.
    Kind(
        DAGS,
        r"src/models/(?P<name>[^/]+)/",
        types=frozenset({"file"}),
        also_affected_by_types=frozenset({"model_image"}),
    ),
    Kind(CONTRACTS, r"src/datasets/(?P<name>(?!__init__\.py|registry\.py)[^/]+)\.py"),
    Kind(TESTS, r"(?P<name>.*_test\.py)", is_listed=False),
)

# Pants reads these files before there are any targets, so no target depends on them.
OUT_OF_GRAPH_RULES = (
    OutOfGraphRule(
        ("pants", ".pants.bootstrap", "pants.toml", "3rdparty/python/launcher/*", "!**/BUILD"),
        "selects the version of Pants and its settings",
    ),
    OutOfGraphRule(
        (
            "pants-plugins/**/*.py",
            "!pants-plugins/**/*_test.py",
            "!pants-plugins/**/conftest.py",
            # These check sources, or build pages.
            "!pants-plugins/linters/**",
            "!pants-plugins/mkdocs_site/**",
            "!pants-plugins/ruff/**",
            # These have rules below.
            "!pants-plugins/model_image/**",
            "!pants-plugins/notebook/**",
        ),
        "a Pants plugin decides what is built",
    ),
    OutOfGraphRule(("src/BUILD",), "sets defaults for all targets below src"),
    OutOfGraphRule(
        (
            "src/dags/*.py",
            "!src/dags/check.py",
            "!src/dags/local.py",
            "src/dags/.airflowignore",
            "3rdparty/python/locks/airflow.lock",
        ),
        "builds the DAGs of all models",
        frozenset({DAGS}),
    ),
    OutOfGraphRule(
        (
            "pants-plugins/model_image/**/*.py",
            "!pants-plugins/**/*_test.py",
            "!pants-plugins/**/conftest.py",
            "3rdparty/python/locks/images.lock",
        ),
        "builds images",
        frozenset({IMAGES}),
    ),
    OutOfGraphRule(
        (
            "pants-plugins/notebook/**/*.py",
            "!pants-plugins/**/*_test.py",
            "!pants-plugins/**/conftest.py",
            "3rdparty/python/locks/notebooks.lock",
        ),
        "runs notebooks",
        frozenset({NOTEBOOKS}),
    ),
    OutOfGraphRule(
        ("pytest.ini", "pants.ci.toml", "3rdparty/python/locks/pytest.lock"),
        "runs tests",
        frozenset({TESTS}),
    ),
)
