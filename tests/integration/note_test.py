"""The note beside a merge request, as a server is asked for it that speaks GitLab's API."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from integration.commands import Result, start

NOTE = Path("src.tools/note.pex")
# No secret: known to the server below and to nobody else.
TOKEN = "made-up-for-this-test"
NOTES = "/api/v4/projects/7/merge_requests/3/notes"


@dataclass
class Server:
    """A merge request with somebody's note; it takes the requests of who knows the token."""

    address: str = ""
    notes: dict[int, str] = field(default_factory=lambda: {1: "Well done."})

    def answer(self, method: str, path: str, body: str) -> tuple[int, Any]:
        place, _, number = path.partition("?")[0].removeprefix(NOTES).rpartition("/")
        if not path.startswith(NOTES) or place:
            return 404, {"message": "404 Not found"}
        if method == "POST":
            number = str(len(self.notes) + 1)
        if method in ("POST", "PUT"):
            self.notes[int(number)] = body
            return 201, {"id": int(number), "body": body}
        return 200, [{"id": id, "body": body} for id, body in self.notes.items()]


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content)["body"] if content else ""
            code, told = 401, {"message": f"401 Unauthorized {TOKEN}"}
            if self.headers["PRIVATE-TOKEN"] == TOKEN:
                code, told = served.answer(self.command, self.path, body)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        do_GET = do_POST = do_PUT = handle_one  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served.address = f"http://127.0.0.1:{http.server_port}"
        Thread(target=http.serve_forever, daemon=True).start()
        yield served
        http.shutdown()


def write_note(server: Server, text: str, folder: Path, *, token: str = TOKEN) -> Result:
    (folder / "affected.md").write_text(text)
    env = {
        "CI_SERVER_URL": server.address,
        "CI_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "3",
        "GITLAB_NOTE_TOKEN": token,
    }
    command = (sys.executable, NOTE.resolve(), "affected.md")
    return Result.of(start(*command, cwd=folder, env=env), timeout=120)


def test_there_is_one_note_which_is_edited_and_the_notes_of_others_stay(
    server: Server, tmp_path: Path
) -> None:
    said = [write_note(server, text, tmp_path) for text in ("iris", "iris, tulip", "iris, tulip")]
    assert [(one.code, one.out.strip()) for one in said] == [
        (0, "Created note 2."),
        (0, "Edited note 2."),
        (0, "Note 2 is up to date."),
    ], [one.err for one in said]
    assert server.notes == {1: "Well done.", 2: "<!-- src/tools:note -->\niris, tulip"}


def test_no_line_is_an_action_that_gitlab_would_do(server: Server, tmp_path: Path) -> None:
    said = write_note(server, "a\n/close\n \t/label ~x\nsrc/b", tmp_path)
    assert said.code == 0, said.err
    assert server.notes[2] == "<!-- src/tools:note -->\na\n\\/close\n \t\\/label ~x\nsrc/b"


def test_a_token_that_is_refused_is_told_and_not_shown(server: Server, tmp_path: Path) -> None:
    refused = write_note(server, "iris", tmp_path, token="another-made-up-one")
    assert (refused.code, refused.out) == (1, "")
    assert (
        f"{server.address} refuses the note on !3 (401). Check that GITLAB_NOTE_TOKEN is valid"
        in refused.err
    )
    assert "made-up" not in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    failed = write_note(Server("http://127.0.0.1:1"), "iris", tmp_path)
    assert (failed.code, failed.out) == (1, "")
    assert "http://127.0.0.1:1 does not answer" in failed.err
    assert TOKEN not in failed.err


def test_outside_of_a_merge_request_it_says_what_is_missing(server: Server, tmp_path: Path) -> None:
    said = write_note(server, "iris", tmp_path, token="")
    assert (said.code, said.err) == (2, "Not set: GITLAB_NOTE_TOKEN. No note was written.\n")
