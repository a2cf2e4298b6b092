from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from notebook.scripts.clean import clean, main

OUTPUT = {
    "output_type": "execute_result",
    "execution_count": 7,
    "metadata": {"needs": "cleaning"},
    "data": {"text/plain": ["<Axes at 0x7f30>"]},
}


def messy() -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "My own", "language": "python"},
            "language_info": {"name": "python", "version": "3.11.2"},
        },
        "cells": [
            {"cell_type": "markdown", "source": "# Title", "metadata": {}, "id": "title"},
            {
                "cell_type": "code",
                "source": ["x = 1\n", "x"],
                "execution_count": 7,
                "metadata": {"tags": ["parameters"], "collapsed": True},
                "outputs": [OUTPUT],
            },
            {"cell_type": "code", "source": "x", "metadata": {}, "outputs": [], "id": "title"},
        ],
    }


def cleaned(*, keep_outputs: bool) -> dict[str, Any]:
    text = clean(messy(), keep_outputs=keep_outputs, cell_metadata=["tags"])
    notebook: dict[str, Any] = json.loads(text)
    return notebook


def test_metadata_and_counts_are_normalised_and_tags_stay() -> None:
    notebook = cleaned(keep_outputs=False)
    assert notebook["metadata"] == {
        "kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}
    }
    assert notebook["cells"][1]["execution_count"] is None
    assert notebook["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert notebook["cells"][1]["outputs"] == []


def test_kept_outputs_have_no_details_of_the_run() -> None:
    assert cleaned(keep_outputs=True)["cells"][1]["outputs"] == [
        {
            "output_type": "execute_result",
            "execution_count": None,
            "metadata": {},
            "data": {"text/plain": ["<Axes>"]},
        }
    ]


def test_missing_and_double_ids_are_replaced_the_same_way_each_time() -> None:
    ids = [cell["id"] for cell in cleaned(keep_outputs=False)["cells"]]
    assert ids[0] == "title"
    assert len({*ids}) == 3
    assert ids == [cell["id"] for cell in cleaned(keep_outputs=False)["cells"]]


def test_cleaning_twice_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(json.dumps(messy()))
    main(["--keep-outputs", "--cell-metadata=tags", str(file)])
    once = file.read_bytes()
    main(["--keep-outputs", "--cell-metadata=tags", str(file)])
    assert file.read_bytes() == once
    assert once.endswith(b"}\n")
