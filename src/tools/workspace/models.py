"""The models of the repository."""

from __future__ import annotations

import difflib
from pathlib import Path

from cli.errors import InputError


def check_model(root: Path, name: str, *, example: str) -> None:
    """Refuse a name that no model has; `example` is a command that names one.

    Raises:
        InputError: the name is empty, or there is no such model.
    """
    if not name:
        raise InputError(f"Name a model, for example: {example}")
    known = sorted(file.parent.name for file in root.glob("src/models/*/definition.py"))
    if name not in known:
        close = difflib.get_close_matches(name, known)
        hint = f"did you mean {' or '.join(close)}?" if close else f"models: {', '.join(known)}."
        raise InputError(f"No model {name!r} in src/models; {hint}")
