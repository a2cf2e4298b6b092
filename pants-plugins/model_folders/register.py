from __future__ import annotations

from model_folders import names


def rules():
    return names.rules()
