"""Clean notebooks in place with nbdev, reproducibly."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcore.nbio import nb2str
from nbdev.clean import clean_nb


def clean(notebook: dict[str, Any], *, keep_outputs: bool, cell_metadata: Sequence[str]) -> str:
    """The cleaned notebook as text."""
    name_cells(notebook["cells"])
    for cell in notebook["cells"]:
        cell.setdefault("metadata", {})
        if cell["cell_type"] == "code" and not keep_outputs:
            cell["outputs"] = []
    notebook.setdefault("metadata", {})
    clean_nb(notebook, allowed_cell_metadata_keys=list(cell_metadata))
    return str(nb2str(notebook))


def name_cells(cells: Sequence[dict[str, Any]]) -> None:
    """Give a fixed ID to each cell without one; nbdev would draw a random one in each run."""
    taken: set[str] = set()
    for number, cell in enumerate(cells):
        if not cell.get("id") or cell["id"] in taken:
            cell["id"] = next(name for name in _names(number, cell) if name not in taken)
        taken.add(cell["id"])


def _names(number: int, cell: dict[str, Any]) -> list[str]:
    """One more name than there are cells before this one, so one is free."""
    source = json.dumps(cell["source"])
    keys = (f"{attempt} {source}" for attempt in range(number + 1))
    return [hashlib.sha256(key.encode()).hexdigest()[:8] for key in keys]


def main(argv: Sequence[str] | None = None) -> None:
    """Clean the files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep-outputs", action="store_true")
    parser.add_argument("--cell-metadata", action="append", default=[], metavar="KEY")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args(argv)
    for name in options.files:
        file = Path(name)
        cleaned = clean(
            json.loads(file.read_bytes()),
            keep_outputs=options.keep_outputs,
            cell_metadata=options.cell_metadata,
        )
        file.write_text(cleaned, encoding="utf-8")


if __name__ == "__main__":
    main()
