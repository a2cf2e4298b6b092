"""Write the content of a file as a note on a merge request, or edit the earlier note.

Examples:
  ./pants run src/tools:note -- dist/affected/affected.md

Run this in a GitLab merge request pipeline. Set GITLAB_NOTE_TOKEN to a project access token (role
Reporter, scope api).

Exit codes: 0 done; 1 GitLab refuses the note, or does not answer; 2 not in a merge request.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gitlab

if TYPE_CHECKING:
    from gitlab.v4.objects import ProjectMergeRequest

TOKEN = "GITLAB_NOTE_TOKEN"
FROM_GITLAB = ("CI_SERVER_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID")
# Marks our note. GitLab does not show it.
MARK = "<!-- src/tools:note -->"
# GitLab refuses longer notes.
LONGEST = 900_000
_ACTION = re.compile(r"^([^\S\n]*)/", re.MULTILINE)
SECONDS = 30.0


class NoteError(Exception):
    """The note was not written."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the note, and return the exit code."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="note",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="the content of the note, in Markdown")
    file = parser.parse_args(argv).file
    missing = [name for name in (*FROM_GITLAB, TOKEN) if not os.environ.get(name)]
    if missing:
        print(f"Not set: {', '.join(missing)}. No note was written.", file=sys.stderr)
        return 2
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        print(f"{file}: cannot be read: {error.strerror}.", file=sys.stderr)
        return 2
    try:
        print(_write(f"{MARK}\n{_without_actions(text)[:LONGEST]}"))
    except NoteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _without_actions(text: str) -> str:
    """Escape lines such as `/close`: GitLab would execute them, with the token's rights."""
    return _ACTION.sub(r"\1\\/", text)


def _write(text: str) -> str:
    server, project, number = (os.environ[name] for name in FROM_GITLAB)
    try:
        api = gitlab.Gitlab(server, private_token=os.environ[TOKEN], timeout=SECONDS)
        merge_request = api.projects.get(project, lazy=True).mergerequests.get(number, lazy=True)
        return _edit_or_create(merge_request, text)
    except gitlab.GitlabError as error:
        advice = f"Check that {TOKEN} is valid, with scope api and a role that may comment."
        code = error.response_code or "no answer"
        raise NoteError(f"{server} refuses the note on !{number} ({code}). {advice}") from error
    # The base class of requests' exceptions.
    except OSError as error:
        name = type(error).__name__
        raise NoteError(f"{server} does not answer ({name}). No note on !{number}.") from error


def _edit_or_create(merge_request: ProjectMergeRequest, text: str) -> str:
    for note in merge_request.notes.list(iterator=True, sort="asc", order_by="created_at"):
        if note.body.startswith(MARK):
            if note.body == text:
                return f"Note {note.get_id()} is up to date."
            note.body = text
            note.save()
            return f"Edited note {note.get_id()}."
    return f"Created note {merge_request.notes.create({'body': text}).get_id()}."


if __name__ == "__main__":
    sys.exit(main())
