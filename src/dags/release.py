"""The current release of a model; `deploy` writes it next to the declaration."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cli.errors import InputError

FILE = "release.json"


class Release(BaseModel):
    """One release of a model, from `release.json`."""

    model_config = ConfigDict(frozen=True)

    model: str
    image: str
    version: str = ""
    commit: str = ""
    environment: str = ""
    # The image of tasks outside of the model; default: the image of the same commit.
    shared_image: str = ""

    @classmethod
    def find(cls, declaration: Path) -> Release | None:
        """Read the release in the declaration's folder; None if there is none.

        Raises:
            InputError: it cannot be read, or is not a release.
        """
        file = declaration.with_name(FILE)
        shown = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
        try:
            return cls.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{shown}: expected a release that `deploy` wrote: {reason}."
            ) from error
