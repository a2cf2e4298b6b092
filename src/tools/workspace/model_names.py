"""The names that the folder of a model can have.

Commands, jobs of CI and paths contain the name. The Pants plugin `model_folders` has the same rule,
because Pants cannot import this module; its tests compare the two.
"""

from __future__ import annotations

import keyword


def is_model_name(name: str) -> bool:
    """Whether a name is an ASCII identifier of Python, and not a keyword."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
