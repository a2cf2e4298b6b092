from __future__ import annotations

from pants.core.goals.package import OutputPathField
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    MultipleSourcesField,
    StringSequenceField,
    Target,
)
from pants.util.strutil import help_text


class SiteSourcesField(MultipleSourcesField):
    default = ("mkdocs.yml", "pages/**/*", "!**/BUILD")
    uses_source_roots = False
    help = help_text(
        """
        `mkdocs.yml`, and all files of the pages. Example:
        `sources=["mkdocs.yml", "pages/**/*"]`.
        """
    )


class SiteDependenciesField(Dependencies):
    help = help_text(
        """
        The Python that makes the site: a module of ours (hooks) that depends on the packages of
        mkdocs and its plugins. All of its resolve. What the site reads is inferred.
        """
    )


class SiteReadsField(StringSequenceField):
    alias = "reads"
    help = help_text(
        """
        Files outside the site's folder that its pages show, as globs from the build root: sources
        of a reference, snippets. A change of one of them is a change of the site.

        Example: `reads=["src/**/*.py", "README.md"]`.
        """
    )


class SiteNotebooksField(StringSequenceField):
    alias = "notebooks"
    help = help_text(
        """
        Notebooks that are run for the site, as globs from the build root. Each is run alone, and
        again only when it, or what `kernel` names, has changed. One that fails fails the site.

        Example: `notebooks=["docs/pages/**/*.ipynb"]`.
        """
    )


class SiteKernelField(StringSequenceField):
    alias = "kernel"
    help = help_text(
        """
        Addresses of what `notebooks` run with: `ipykernel` and `nbconvert` (or what brings it
        along), and what the notebooks import. All of one resolve.
        """
    )


class MkdocsSiteTarget(Target):
    alias = "mkdocs_site"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        SiteSourcesField,
        SiteDependenciesField,
        SiteReadsField,
        SiteNotebooksField,
        SiteKernelField,
        OutputPathField,
    )
    help = help_text(
        """
        A static site that mkdocs makes: `package` writes its folder into `dist/`, and fails where
        `mkdocs build --strict` does, for example on a link that leads nowhere.

        Hooks find in the variable `DOCS_TARGETS` a JSON file with the address, dependencies and
        sources of every target, as `./pants peek ::` prints them; and in `DOCS_EXECUTED` the folder
        of the notebooks that were run.

        For example:

            mkdocs_site(name="site", dependencies=[":hooks"], reads=["src/**/*.py"])
        """
    )
