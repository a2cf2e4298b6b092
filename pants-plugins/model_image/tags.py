"""Names of an image: its repository, tags and labels. No Pants rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from model_image.revision import Revision
from model_image.subsystem import ModelImages
from model_image.target_types import NAME

CONTENT = "content-"
LATEST = "latest"


def default_repository(folder: str, name: str) -> str:
    """The folder below the source root; other names than `image` are appended."""
    parts = [part for part in folder.split("/") if part != "."]
    if name != NAME or not parts:
        parts.append(name)
    return "/".join(parts).lower()


def content_tag(inputs: Mapping[str, object]) -> str:
    """Return the same tag for the same inputs."""
    encoded = json.dumps(inputs, sort_keys=True).encode()
    return f"{CONTENT}{hashlib.sha256(encoded).hexdigest()[:16]}"


def image_tags(content: str, revision: Revision) -> tuple[str, ...]:
    """All tags of an image, the content tag first."""
    return tuple(tag for tag in (content, revision.tag, LATEST) if tag)


def image_labels(
    repository: str, content: str, revision: Revision, images: ModelImages
) -> dict[str, str]:
    """The annotations that the OCI image specification defines; unknown ones are left out."""
    labels = {
        "title": repository,
        "version": content,
        "revision": revision.name,
        "source": images.source,
        "licenses": images.licenses,
    }
    return {f"org.opencontainers.image.{name}": value for name, value in labels.items() if value}
