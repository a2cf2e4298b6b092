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
        of a reference, snippets, notebooks. A change of one of them is a change of the site.

        Example: `reads=["src/**/*.py", "README.md"]`.
        """
    )


class MkdocsSiteTarget(Target):
    alias = "mkdocs_site"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        SiteSourcesField,
        SiteDependenciesField,
        SiteReadsField,
        OutputPathField,
    )
    help = help_text(
        """
        A static site that mkdocs makes: `package` writes its folder into `dist/`, and fails where
        `mkdocs build --strict` does, for example on a link that leads nowhere.

        A notebook among what it shows is executed first, as `test` does; one that fails fails the
        site. With `skip_execute=True` it is shown as it is.

        Hooks find in the variable `DOCS_TARGETS` a JSON file with the address, dependencies and
        sources of every target, as `./pants peek ::` prints them; and in `DOCS_EXECUTED` the folder
        of the notebooks that were executed.

        For example:

            mkdocs_site(name="site", dependencies=[":hooks"], reads=["src/**/*.py"])
        """
    )
