from __future__ import annotations

import io
import re

import pytest

from tools.graphs.svg import main

DOT = 'digraph { "a.py" [label="a.py"]; "iris" [label="iris\\nmodel"]; "a.py" -> "iris"; }'


def test_standard_input_is_drawn_with_its_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(DOT))
    assert main() == 0
    svg = capsys.readouterr().out
    assert re.findall(r"<text[^>]*>([^<]+)</text>", svg) == ["a.py", "iris", "model"]
    assert svg.count('class="edge"') == 1


def test_what_is_no_graph_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("digraph { a -> "))
    assert main() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Standard input: cannot be drawn" in captured.err
