from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

PACKAGES = [
    {"name": "numpy", "version": "2.5.5", "licence": "BSD-3-Clause AND MIT"},
    {"name": "pandas", "version": "3.1.0", "licence": "MIT"},
    {"name": "odd", "version": "1", "licence": "Some words of its own"},
    {"name": "silent", "version": "1.0+local", "licence": ""},
]
LIBC = {"name": "libc6", "version": "2.41-12", "architecture": "amd64", "distribution": "debian-13"}
OPTIONS = {
    "name": "models/iris",
    "version": "content-1",
    "revision": "0f1533d",
    "base": "datascience-base:content-2",
    "base-identity": "1a2b",
    "created": "1700000000",
}


def write(folder: Path, packages: list[dict[str, str]] = PACKAGES, /, **options: str) -> str:
    """The bill that the command writes."""
    components, output = folder / "components.json", folder / "bill.cdx.json"
    components.write_text(json.dumps(packages))
    base_packages = folder / "base_packages.json"
    base_packages.write_text(json.dumps([LIBC]))
    files = {"components": components, "base-packages": base_packages, "output": output}
    values = {**OPTIONS, **files, **options}
    command = [sys.executable, str(Path(__file__).with_name("sbom.py"))]
    command += [f"--{name}={value}" for name, value in values.items()]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, env=environment, check=True)
    return output.read_text()


@pytest.fixture
def bill(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(write(tmp_path))
    return content


def test_a_bill_is_cyclonedx(tmp_path: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(write(tmp_path)) is None


def test_a_bill_of_an_image_without_packages_is_cyclonedx(tmp_path: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(write(tmp_path, [])) is None


def test_the_same_image_has_the_same_bill(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert write(tmp_path) == write(tmp_path / "other", PACKAGES[::-1])


@pytest.mark.parametrize("option", ["version", "revision", "base-identity", "created"])
def test_another_image_has_another_bill(tmp_path: Path, option: str) -> None:
    assert write(tmp_path, **{option: "1"}) != write(tmp_path)


def test_the_bill_describes_an_image(bill: dict[str, Any]) -> None:
    assert bill["metadata"] == {
        "component": {
            "bom-ref": "image",
            "name": "models/iris",
            "properties": [{"name": "git:revision", "value": "0f1533d"}],
            "type": "container",
            "version": "content-1",
        },
        "timestamp": "2023-11-14T22:13:20+00:00",
    }


def test_a_bill_names_the_base_and_each_package(bill: dict[str, Any]) -> None:
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert parts == {
        "base": {
            "bom-ref": "base",
            "name": "datascience-base:content-2",
            "type": "container",
            "version": "1a2b",
        },
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13": {
            "bom-ref": "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
            "name": "libc6",
            "purl": "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
            "type": "library",
            "version": "2.41-12",
        },
        **{
            f"pkg:pypi/{name}@{version.replace('+', '%2B')}": {
                "bom-ref": f"pkg:pypi/{name}@{version.replace('+', '%2B')}",
                "name": name,
                "purl": f"pkg:pypi/{name}@{version.replace('+', '%2B')}",
                "type": "library",
                "version": version,
                **({"licenses": licenses} if licenses else {}),
            }
            for name, version, licenses in (
                # An SPDX expression, one of its names, and what is neither.
                (
                    "numpy",
                    "2.5.5",
                    [{"expression": "BSD-3-Clause AND MIT"}],
                ),
                ("pandas", "3.1.0", [{"license": {"id": "MIT"}}]),
                ("odd", "1", [{"license": {"name": "Some words of its own"}}]),
                ("silent", "1.0+local", None),
            )
        },
    }
    depends_on = {entry["ref"]: entry.get("dependsOn") for entry in bill["dependencies"]}
    of_base = [ref for ref in parts if ref.startswith("pkg:deb/")]
    assert depends_on["base"] == of_base
    assert depends_on["image"] == sorted(parts.keys() - of_base)
