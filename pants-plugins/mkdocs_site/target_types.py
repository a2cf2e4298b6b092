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
        `mkdocs.yml`, and the files of all pages. Example:
        `sources=["mkdocs.yml", "pages/**/*"]`.
        """
    )


class SiteDependenciesField(Dependencies):
    help = help_text(
        """
        The Python code that builds the site: a module with hooks that depends on mkdocs and its
        plugins. All of it must be in the same resolve. The files in `reads` are inferred.
        """
    )


class SiteReadsField(StringSequenceField):
    alias = "reads"
    help = help_text(
        """
        Files outside the site's folder that its pages show: sources of a reference, snippets,
        notebooks. Globs are relative to the build root. A change of one of these files changes
        the site.

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
        A static site that is built by mkdocs. `package` writes it to a folder in `dist/`, and
        fails if `mkdocs build --strict` fails, for example because of a broken link.

        Notebooks on its pages are executed first, as by `test`. If one fails, the site fails.
        With `skip_execute=True`, a notebook is shown as it is.

        Hooks get two environment variables. `DOCS_TARGETS` is the path of a JSON file with the
        address, dependencies and sources of every target, as `./pants peek ::` prints them.
        `DOCS_EXECUTED` is the folder of the executed notebooks.

        For example:

            mkdocs_site(name="site", dependencies=[":hooks"], reads=["src/**/*.py"])
        """
    )
