"""Which image of a model was released; `deploy` writes it beside the declaration."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cli.errors import InputError

FILE = "release.json"


class Release(BaseModel):
    """One release of a model, as `release.json` has it."""

    model_config = ConfigDict(frozen=True)

    model: str
    image: str
    version: str = ""
    commit: str = ""
    environment: str = ""
    # The image of the tasks that are no model's own; without it, the one of the same commit.
    shared_image: str = ""

    @classmethod
    def beside(cls, declaration: Path) -> Release | None:
        """The release in the declaration's folder, None where there is none.

        Raises:
            InputError: it cannot be read, or is no release.
        """
        file = declaration.with_name(FILE)
        shown = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
        try:
            return cls.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{shown}: expected what `deploy` writes: {reason}.") from error
