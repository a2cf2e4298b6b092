"""The changes of an upgrade and what they affect, as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from tools.change.affected_rules import KINDS
from tools.upgrade.upgrade_task import Move, Upgrade

NOTHING = "Nothing to upgrade.\n"
_LISTED = [kind.name for kind in KINDS if kind.is_listed]


def as_text(upgrade: Upgrade, affected: Mapping[str, Sequence[str]]) -> str:
    """Old and new version of each package, and the affected artifacts."""
    lines = [*upgrade.notes, ""] if upgrade.notes else []
    if not upgrade.moves:
        return "\n".join([*lines, NOTHING])
    width = max(len(move.name) for move in upgrade.moves)
    for resolve in sorted({move.resolve for move in upgrade.moves}):
        moves = [move for move in upgrade.moves if move.resolve == resolve]
        lines.append(f"{resolve}: {_count(moves)}{'' if upgrade.is_written else ' would change'}")
        lines += [f"  {move.name:<{width}}  {_versions(move)}" for move in moves]
    lines.append("")
    lines += [f"{kind}: {', '.join(affected.get(kind, ())) or 'none'}" for kind in _LISTED]
    if not upgrade.is_written:
        lines += ["", "Nothing was written."]
    return "\n".join(lines) + "\n"


def as_markdown(upgrade: Upgrade, affected: Mapping[str, Sequence[str]]) -> str:
    """For a merge request."""
    if not upgrade.moves:
        return NOTHING
    required = [f"{move.name} {move.new}" for move in upgrade.moves if move.is_required]
    lines = [f"## Upgrade: {', '.join(dict.fromkeys(required))}", ""]
    lines += ["| package | old | new | resolve |", "|---|---|---|---|", *_rows(upgrade.moves), ""]
    for kind in _LISTED:
        lines.append(f"- Affected **{kind}**: {', '.join(affected.get(kind, ())) or 'none'}")
    for note in upgrade.notes:
        first, *more = note.splitlines()
        lines += [
            "",
            first,
            *(["", "```text", *(line.strip() for line in more), "```"] if more else []),
        ]
    return "\n".join(lines) + "\n"


def as_json(upgrade: Upgrade, affected: Mapping[str, Sequence[str]]) -> str:
    """In full, for programs."""
    report = {
        "moved": [
            {
                "resolve": move.resolve,
                "name": move.name,
                "old": move.old or None,
                "new": move.new or None,
                "required": move.is_required,
            }
            for move in upgrade.moves
        ],
        "affected": {kind.name: list(affected.get(kind.name, ())) for kind in KINDS},
        "files": list(upgrade.touched),
        "notes": list(upgrade.notes),
        "written": upgrade.is_written,
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _rows(moves: Sequence[Move]) -> Iterator[str]:
    for move in moves:
        name = f"**{move.name}**" if move.is_required else move.name
        yield f"| {name} | {move.old or 'added'} | {move.new or 'removed'} | {move.resolve} |"


def _versions(move: Move) -> str:
    if not move.old:
        return f"{move.new} (added)"
    return f"{move.old} → {move.new}" if move.new else f"{move.old} (removed)"


def _count(moves: Sequence[Move]) -> str:
    return f"{len(moves)} package{'' if len(moves) == 1 else 's'}"
