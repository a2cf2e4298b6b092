from __future__ import annotations

from pants.backend.python.target_types import PexBinary
from pants.engine.target import StringSequenceField
from pants.util.strutil import help_text


class DynamicDependenciesField(StringSequenceField):
    alias = "dynamic_dependencies"
    help = help_text(
        """
        Globs, from the build root, of the modules that this binary imports by name at run time
        (`importlib.import_module`), which import inference cannot see.

        Each Python source of the binary's resolve that matches becomes a dependency, so that a new
        module needs no change here. A glob that starts with `!` takes files away from the others. A
        glob that matches nothing is an error.

        Example: `dynamic_dependencies=["src/models/*/predict.py", "!src/models/template/*"]`.
        """
    )


def rules():
    return (PexBinary.register_plugin_field(DynamicDependenciesField),)
