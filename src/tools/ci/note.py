"""Keep one note beside a merge request, with what a file says.

Examples:
  ./pants run src/tools:note -- dist/affected/affected.md

In GitLab CI, which names the server, the project and the merge request; GITLAB_NOTE_TOKEN is a
token of the project's (role Reporter, scope api). The note of an earlier call is edited.

Exits with 0 when done, with 1 where GitLab does not take it, with 2 outside of a merge request.
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
# Nobody sees it: by it the note is found again.
MARK = "<!-- src/tools:note -->"
# GitLab refuses more.
LONGEST = 900_000
_ACTION = re.compile(r"^([^\S\n]*)/", re.MULTILINE)
SECONDS = 30.0


class NoteError(Exception):
    """Why there is no note."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the note, and return the exit code."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="note",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="what the note says, in Markdown")
    file = parser.parse_args(argv).file
    missing = [name for name in (*FROM_GITLAB, TOKEN) if not os.environ.get(name)]
    if missing:
        print(f"Not set: {', '.join(missing)}. No note is written.", file=sys.stderr)
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
    """Escape lines such as `/close`: GitLab would do what they say, with the token's rights."""
    return _ACTION.sub(r"\1\\/", text)


def _write(text: str) -> str:
    server, project, number = (os.environ[name] for name in FROM_GITLAB)
    try:
        api = gitlab.Gitlab(server, private_token=os.environ[TOKEN], timeout=SECONDS)
        merge_request = api.projects.get(project, lazy=True).mergerequests.get(number, lazy=True)
        return _edited_or_new(merge_request, text)
    except gitlab.GitlabError as error:
        advice = f"is {TOKEN} valid, with the scope api and a role that may comment?"
        code = error.response_code or "no answer"
        raise NoteError(f"{server} takes no note of !{number} ({code}): {advice}") from error
    # What requests raises.
    except OSError as error:
        why = type(error).__name__
        raise NoteError(f"{server} does not answer ({why}): no note of !{number}.") from error


def _edited_or_new(merge_request: ProjectMergeRequest, text: str) -> str:
    for note in merge_request.notes.list(iterator=True, sort="asc", order_by="created_at"):
        if note.body.startswith(MARK):
            if note.body == text:
                return f"Note {note.get_id()} says so already."
            note.body = text
            note.save()
            return f"Note {note.get_id()} is edited."
    return f"Note {merge_request.notes.create({'body': text}).get_id()} is new."


if __name__ == "__main__":
    sys.exit(main())
