"""Notebooks for tests, as JupyterLab would write them."""

from __future__ import annotations

import json
from typing import Any


def notebook(*cells: str | dict[str, Any], **more: Any) -> str:
    """Create a notebook. A string is a code cell; a dictionary is any cell."""
    as_cells = [
        cell
        if isinstance(cell, dict)
        else {"cell_type": "code", "source": cell, "metadata": {}, "outputs": []}
        for cell in cells
    ]
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": as_cells, **more}
    )
