"""What is shown: names and values as they are, whatever rich or a terminal would make of them."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from cli.terminal import say, show, show_table, show_tree, with_progress

HOSTILE = "[/red] [bold]:smile: \x1b]0;title\x07 csv.\u202eexe"
SHOWN = "[/red] [bold]:smile: \\x1b]0;title\\x07 csv.\\u202eexe"
SECRET = "postgresql://me:geheim@host/db"  # pragma: allowlist secret
MASKED = "postgresql://**********@host/db"


def test_a_message_is_shown_as_text(capfd: pytest.CaptureFixture[str]) -> None:
    say(f"{HOSTILE} {SECRET}")
    show(f"{HOSTILE} {SECRET}")
    shown = capfd.readouterr()
    assert shown.out == shown.err == f"{SHOWN} {MASKED}\n"


def test_a_table_is_shown_as_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    show_table(HOSTILE, [HOSTILE, SECRET], [(HOSTILE, "two\nlines")], notes=[HOSTILE])
    shown = capfd.readouterr().out
    assert shown.count(SHOWN) == 4
    assert MASKED in shown
    assert "two\\nlines" in shown


def test_a_tree_is_shown_as_text(capfd: pytest.CaptureFixture[str]) -> None:
    show_tree([PurePath("a"), PurePath("a/[bold]b\x1b")])
    assert "[bold]b\\x1b" in capfd.readouterr().out


def test_progress_is_shown_as_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("cli.terminal.SECONDS_BEFORE_PROGRESS", -1.0)
    assert list(with_progress([(1, "a"), (1, "b")], 2, what=HOSTILE)) == ["a", "b"]
    shown = capfd.readouterr().err
    assert SHOWN in shown
    assert "\x1b]0;title" not in shown
