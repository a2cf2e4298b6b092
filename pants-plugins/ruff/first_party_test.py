from __future__ import annotations

import pytest
from pants.engine.rules import QueryRule
from pants.source import source_root
from pants.testutil.rule_runner import RuleRunner

from ruff import first_party
from ruff.first_party import FirstPartyNames, first_party_names


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        (("src",), ("config", "setup_logging")),
        (("src", "src/config"), ("config", "settings", "setup_logging")),
        ((".",), ("src", "tests")),
    ],
)
def test_names_are_the_first_step_below_a_root(
    roots: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    files = (
        "src/__init__.py",
        "src/config/__init__.py",
        "src/config/settings.py",
        "src/not-importable/script.py",
        "src/setup_logging.pyi",
        "tests/settings_test.py",
    )
    assert first_party_names(files, roots=roots) == expected


def test_every_source_root_is_searched() -> None:
    rule_runner = RuleRunner(
        rules=[
            *first_party.rules(),
            *source_root.rules(),
            QueryRule(FirstPartyNames, []),
        ]
    )
    rule_runner.set_options(["--source-root-patterns=['/src', '/tests']"])
    rule_runner.write_files(
        {
            "src/models/iris/train.py": "",
            "src/empty/readme.md": "",
            "tests/conftest.py": "",
            "elsewhere/script.py": "",
        }
    )
    assert rule_runner.request(FirstPartyNames, []) == FirstPartyNames(("conftest", "models"))
