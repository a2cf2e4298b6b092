from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence

import pytest
from pants.backend.python.pip_requirement import PipRequirement

from locked_requirements.closures import closure_of, missing_from, parse_lock, render_closure


def lock_bytes(*pins: tuple[str, Sequence[str]]) -> bytes:
    """A lockfile of `name==version` pins, each with its requires_dists and itself as hash."""
    requirements = [
        {
            "project_name": pin.split("==")[0],
            "version": pin.split("==")[1],
            "requires_dists": list(requires),
            "artifacts": [{"algorithm": "sha256", "hash": pin, "url": "https://example.invalid"}],
        }
        for pin, requires in pins
    ]
    content = {"locked_resolves": [{"locked_requirements": requirements}]}
    return f"// --- BEGIN PANTS LOCKFILE METADATA\n//\n{json.dumps(content)}".encode()


def names(*requirements: str, pins: Mapping[str, Sequence[str]]) -> list[str]:
    lock = parse_lock(lock_bytes(*pins.items()))
    lines = closure_of(map(PipRequirement.parse, requirements), lock)
    return [line.split("  ")[0] for line in lines]


def test_a_closure_is_transitive_and_sorted() -> None:
    pins = {"pandas==3.1": ["python-dateutil>=2.8", "numpy"], "numpy==2": [], "six==1": []}
    pins["python_dateutil==2.9"] = ["six>=1.5"]
    pins["rich==14"] = []
    assert names("pandas", pins=pins) == [
        "numpy==2",
        "pandas==3.1",
        "python-dateutil==2.9",
        "six==1",
    ]


def test_a_cycle_ends() -> None:
    assert names("a", pins={"a==1": ["b"], "b==1": ["a"]}) == ["a==1", "b==1"]


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("dask", ["click==8", "dask==1"]),
        ("dask[array]", ["click==8", "dask==1", "numpy==2"]),
        # An extra that requires another extra of the same project.
        ("dask[Complete_All]", ["click==8", "dask==1", "numpy==2", "pandas==3"]),
        ("dask[unknown]", ["click==8", "dask==1"]),
    ],
)
def test_extras_count_if_requested(requirement: str, expected: list[str]) -> None:
    pins = {
        "dask==1": [
            "click",
            'numpy>=1; extra == "array"',
            'pandas; python_version >= "3.9" and extra == "dataframe"',
            "dask[array,dataframe]; extra == 'complete-all'",
        ],
        "click==8": [],
        "numpy==2": [],
        "pandas==3": [],
    }
    assert names(requirement, pins=pins) == expected


def test_other_markers_are_ignored_and_what_is_not_locked_is_left_out() -> None:
    pins = {
        "click==8": [
            'colorama; platform_system == "Windows"',
            'typing_extensions; python_version < "3"',
        ],
        "colorama==1": [],
    }
    assert names("click", pins=pins) == ["click==8", "colorama==1"]


def test_every_version_of_a_project_counts() -> None:
    lock = parse_lock(lock_bytes(("numpy==1", []), ("numpy==2", ["six"]), ("six==1", [])))
    lines = closure_of([PipRequirement.parse("numpy")], lock)
    assert [line.split("  ")[0] for line in lines] == ["numpy==1", "numpy==2", "six==1"]
    assert lock.versions("NumPy") == ("1", "2")


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("Pandas==3.1", None),
        ("pandas>=3", None),
        ("pandas==3.2", "the lockfile has 3.1"),
        ("polars", "it is not in the lockfile"),
        # Pex does not lock packages that the resolve's interpreters can never install.
        ("tomli; python_version < '3.11'", None),
    ],
)
def test_missing_from_says_why(requirement: str, expected: str | None) -> None:
    lock = parse_lock(lock_bytes(("pandas==3.1", [])))
    assert missing_from(lock, PipRequirement.parse(requirement)) == expected


def test_the_file_has_the_requirement_and_the_digest_of_its_artifacts() -> None:
    lock = parse_lock(lock_bytes(("pandas==3.1", [])))
    digest = hashlib.sha256(b"sha256:pandas==3.1").hexdigest()[:16]
    requirement = PipRequirement.parse("pandas[excel]==3.1")
    assert render_closure([requirement], resolve="default", lock=lock) == (
        "# pandas[excel]==3.1\n"
        "#\n"
        "# Everything it needs in the resolve `default`. A change here affects its users.\n"
        "# `pants fmt` writes this file from the lockfile: do not edit.\n"
        "\n"
        f"pandas==3.1  sha256:{digest}\n"
    )


def test_three_hundred_packages_are_fast() -> None:
    pins = [
        (f"p{n}==1", [f"p{m}>=1; python_version > '3'" for m in range(n, n + 10)])
        for n in range(300)
    ]
    content = lock_bytes(*pins)
    start = time.process_time()
    lock = parse_lock(content)
    for n in range(0, 300, 5):
        render_closure([PipRequirement.parse(f"p{n}")], resolve="default", lock=lock)
    # This takes about 0.05 s. The limit only catches a higher complexity.
    assert time.process_time() - start < 1
