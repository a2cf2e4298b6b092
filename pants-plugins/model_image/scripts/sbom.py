"""Write an image's bill of materials as reproducible CycloneDX 1.6 JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


def library(url: PackageURL, licence: str = "") -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=url.name,
        version=url.version,
        purl=url,
        bom_ref=BomRef(url.to_string()),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def package(name: str, version: str, licence: str) -> Component:
    return library(PackageURL("pypi", name=name, version=version), licence)


def debian_package(name: str, version: str, architecture: str, distribution: str) -> Component:
    qualifiers = {"arch": architecture, "distro": distribution}
    return library(PackageURL("deb", "debian", name, version, qualifiers))


def create_bom(
    image: Component,
    base: Component,
    base_packages: Iterable[Mapping[str, str]],
    packages: Iterable[Mapping[str, str]],
    created: int,
) -> Bom:
    """The components of an image and of its base."""
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"{image.name}:{image.version}"))
    bom.metadata.timestamp = datetime.fromtimestamp(created, tz=UTC)
    bom.metadata.component = image
    image_components = [base, *(package(**fields) for fields in packages)]
    base_components = [debian_package(**fields) for fields in base_packages]
    bom.components.update(image_components, base_components)
    bom.register_dependency(image, image_components)
    bom.register_dependency(base, base_components)
    return bom


def main() -> None:
    """Write the bill of materials from the lists of packages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--base-identity", required=True)
    parser.add_argument("--base-packages", type=Path, required=True)
    parser.add_argument("--created", type=int, required=True, help="seconds since 1970")
    parser.add_argument("--components", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    image = Component(
        type=ComponentType.CONTAINER,
        name=options.name,
        version=options.version,
        bom_ref=BomRef("image"),
        properties=[Property(name="git:revision", value=options.revision)],
    )
    base = Component(
        type=ComponentType.CONTAINER,
        name=options.base,
        version=options.base_identity,
        bom_ref=BomRef("base"),
    )
    base_packages, packages = (
        json.loads(file.read_text()) for file in (options.base_packages, options.components)
    )
    bom = create_bom(image, base, base_packages, packages, options.created)
    options.output.write_text(JsonV1Dot6(bom).output_as_string(indent=2))


if __name__ == "__main__":
    main()
