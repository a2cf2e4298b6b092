"""What a change can affect, as tables: a new kind of thing is a new line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from tools.workspace.target_graph import Target


@dataclass(frozen=True)
class Kind:
    """One kind of thing that people ask for.

    Attributes:
        name: in the plural.
        path: fits the file that a target stands for, or else its folder with a slash at the end;
            the group `name` names the thing. Targets with the same name are one thing.
        types: the types of targets that may be of it; none for all.
        is_listed: whether each is shown with its reason, and not only counted.
        carries: types of targets that are of another kind, and change the thing beside them, too.
    """

    name: str
    path: str
    types: frozenset[str] = frozenset()
    is_listed: bool = True
    carries: frozenset[str] = frozenset()

    def name_of(self, target: Target) -> str | None:
        """What the thing is called that a target is part of, if it is of this kind."""
        return self._name(target) if not self.types or target.type in self.types else None

    def carried_by(self, target: Target) -> str | None:
        """What the thing would be called that a target of another kind changes."""
        return self._name(target) if target.type in self.carries else None

    def _name(self, target: Target) -> str | None:
        # The root's targets are copies of other folders' files, for tests.
        if not target.folder:
            return None
        fits = re.fullmatch(self.path, target.path)
        return fits and (fits.groupdict().get("name") or target.address)


@dataclass(frozen=True)
class Beyond:
    """Files that change things without being their dependencies; `kinds` are those, or all."""

    files: tuple[str, ...]
    reason: str
    kinds: frozenset[str] = frozenset()

    def fits(self, file: str) -> bool:
        """Whether one of the patterns does; one with `!` takes back what an earlier one took."""
        taken = False
        for pattern in self.files:
            if PurePosixPath(file).full_match(pattern.removeprefix("!")):
                taken = not pattern.startswith("!")
        return taken


MODELS, IMAGES, NOTEBOOKS, DAGS = "models", "images", "notebooks", "DAGs"
CONTRACTS, TESTS = "data contracts", "tests"

# In the order in which they are shown. A target is of the last kind that fits it.
KINDS = (
    # What only a model's notebooks need is none of the model's.
    Kind(MODELS, r"src/models/(?P<name>[^/]+)/(?!notebooks/).*"),
    Kind(IMAGES, r".*", types=frozenset({"model_image"})),
    Kind(NOTEBOOKS, r"(?P<name>.*\.ipynb)"),
    # A declaration; where the model's image is another, its DAG runs something else, too.
    Kind(
        DAGS,
        r"src/models/(?P<name>[^/]+)/",
        types=frozenset({"file"}),
        carries=frozenset({"model_image"}),
    ),
    Kind(CONTRACTS, r"src/datasets/(?P<name>(?!__init__\.py|registry\.py)[^/]+)\.py"),
    Kind(TESTS, r"(?P<name>.*_test\.py)", is_listed=False),
)

# What Pants reads before it knows of any target is nobody's dependency.
BEYOND_THE_GRAPH = (
    Beyond(
        ("pants", ".pants.bootstrap", "pants.toml", "3rdparty/python/launcher/*", "!**/BUILD"),
        "which Pants runs, and with which settings",
    ),
    Beyond(
        (
            "pants-plugins/**/*.py",
            "!pants-plugins/**/*_test.py",
            "!pants-plugins/**/conftest.py",
            # These look at sources, and make nothing of them; or pages.
            "!pants-plugins/linters/**",
            "!pants-plugins/mkdocs_site/**",
            "!pants-plugins/ruff/**",
            # These have lines of their own, below.
            "!pants-plugins/model_image/**",
            "!pants-plugins/notebook/**",
        ),
        "a plugin of Pants decides what is built",
    ),
    Beyond(("src/BUILD",), "defaults of all targets below src"),
    Beyond(
        (
            "src/dags/*.py",
            "!src/dags/check.py",
            "!src/dags/local.py",
            "src/dags/.airflowignore",
            "3rdparty/python/locks/airflow.lock",
        ),
        "makes DAGs of all declarations",
        frozenset({DAGS}),
    ),
    Beyond(
        (
            "pants-plugins/model_image/**/*.py",
            "!pants-plugins/**/*_test.py",
            "!pants-plugins/**/conftest.py",
            "3rdparty/python/locks/images.lock",
        ),
        "what images are made with",
        frozenset({IMAGES}),
    ),
    Beyond(
        (
            "pants-plugins/notebook/**/*.py",
            "!pants-plugins/**/*_test.py",
            "!pants-plugins/**/conftest.py",
            "3rdparty/python/locks/notebooks.lock",
        ),
        "what notebooks are run with",
        frozenset({NOTEBOOKS}),
    ),
    Beyond(
        ("pytest.ini", "pants.ci.toml", "3rdparty/python/locks/pytest.lock"),
        "what tests are run with",
        frozenset({TESTS}),
    ),
)
