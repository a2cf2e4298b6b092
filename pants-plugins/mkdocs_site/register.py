from __future__ import annotations

from mkdocs_site import notebooks, package, repository
from mkdocs_site.target_types import MkdocsSiteTarget


def target_types():
    return (MkdocsSiteTarget,)


def rules():
    return (*notebooks.rules(), *package.rules(), *repository.rules())
