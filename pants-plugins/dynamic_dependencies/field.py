from __future__ import annotations

from pants.backend.python.target_types import PexBinary
from pants.engine.target import StringSequenceField
from pants.util.strutil import help_text


class DynamicDependenciesField(StringSequenceField):
    alias = "dynamic_dependencies"
    help = help_text(
        """
        Globs, relative to the build root, of the modules that this binary imports by name at run
        time (`importlib.import_module`). Import inference cannot find these.

        Each Python source that matches and is in the binary's resolve becomes a dependency, so a
        new module needs no change here. A glob that starts with `!` excludes files. A glob that
        matches nothing is an error.

        Example: `dynamic_dependencies=["src/models/*/predict.py", "!src/models/template/*"]`.
        """
    )


def rules():
    return (PexBinary.register_plugin_field(DynamicDependenciesField),)
