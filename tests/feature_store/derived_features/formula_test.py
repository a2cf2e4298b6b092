import time

import pytest

from feature_store.derived_features.formula import MAX_LENGTH, FormulaError, parse_formulas


def names(formula: str | list[str]) -> list[str]:
    return [parsed.name for parsed in parse_formulas(formula)]


def marked(formula: str) -> tuple[str, str]:
    with pytest.raises(FormulaError) as caught:
        parse_formulas(formula)
    *_, line, carets = str(caught.value).split("\n")
    assert caught.value.line[caught.value.column :]
    return caught.value.problem, line[carets.index("^") : len(carets)]


def test_lines_semicolons_and_lists_part_formulas() -> None:
    assert names("a = x; b = y") == ["a", "b"]
    assert names("a = x\nb = y") == ["a", "b"]
    assert names(["a = x", "b = y; c = z"]) == ["a", "b", "c"]
    text = """
        a = x  # a comment
        b = (
            y + 1
        )
    """
    assert names(text) == ["a", "b"]


def test_backticks_name_any_column_and_text_may_hold_them() -> None:
    (formula,) = parse_formulas("`my ratio` = `net income` / (`net income` + 1)")
    assert formula.name == "my ratio"
    assert formula.term.operands[0].value == "net income"
    (formula,) = parse_formulas("""a = x == "`b` # no comment" """)
    assert formula.term.operands[1].value == "`b` # no comment"


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        ("x = a.b", "a.b"),
        ("x = 1 + a.__class__", "a.__class__"),
        ("x = a[0]", "a[0]"),
        ("x = eval('1')", "eval"),
        ("x = a + __import__('os')", "__import__"),
        ("x = log(log)(a)", "log(log)(a)"),
        ("x = a.mean()", "a.mean()"),
        ("x = (lambda: 1)", "lambda: 1"),
        ("x = f'{a}'", "f'{a}'"),
        ("x = (y := 1)", "y := 1"),
        ("x = [a for a in b]", "[a for a in b]"),
        ("x = {1: 2}", "{1: 2}"),
        ("x = (1, 2)", "(1, 2)"),
        ("x = *a,", "*a,"),
        ("x = a if b else c", "a if b else c"),
        ("x = a @ b", "a @ b"),
        ("x = a << 9999", "a << 9999"),
        ("x = a is b", "a is b"),
        ("x = a in b", "b"),
        ("x = log(a, base=2)", "log(a, base=2)"),
        ("x = log(*a)", "*a"),
        ("x = clip(a, 1)", "clip(a, 1)"),
        ("x = b'a'", "b'a'"),
        ("x = u'a'", "u'a'"),
        ("x = None", "None"),
        ("x = ...", "..."),
        ("x = 1j", "1j"),
        ("x = y = 1", "x = y = 1"),
        ("x.y = 1", "x.y = 1"),
        ("x += 1", "x += 1"),
        ("x: int = 1", "x: int = 1"),
        ("import os", "import os"),
        ("del x", "del x"),
        ("a + b", "a + b"),
        ("x = `é è` + é.b", "é.b"),
        ("x = 1; x = 2", "x"),
    ],
)
def test_invalid_formulas_are_refused_and_marked(formula: str, part: str) -> None:
    assert marked(formula)[1] == part


def test_the_message_shows_the_line_and_where() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formulas("a = 1\nb = lgo(a) + 1")
    assert str(caught.value).startswith(
        "formula: unknown function 'lgo' (did you mean 'log'?); known"
    )
    assert str(caught.value).endswith("\n  b = lgo(a) + 1\n      ^^^")
    assert (caught.value.line, caught.value.column) == ("b = lgo(a) + 1", 4)


def test_pythons_syntax_error_is_marked_too() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formulas("ratio = (a + ")
    expected = "formula: not a formula: '(' was never closed.\n  ratio = (a +\n          ^"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "formula",
    [
        "x = " + "(" * 3000 + "1" + ")" * 3000,
        "x = " + "-" * 5000 + "1",
        "x = " + "not " * 2400 + "a",
        "x = " + "abs(" * 180 + "a" + ")" * 180,
        "x = " + "+".join("a" * 4000),
        "x = " + "a" * MAX_LENGTH,
        "x = " + "9" * 5000,
        "x = 1" + "0" * 400,
        "x = '\0'",
        "x = '\ud800'",
        "x = \ud800",
    ],
)
def test_hostile_formulas_are_refused_at_once(formula: str) -> None:
    started = time.perf_counter()
    with pytest.raises(FormulaError) as caught:
        parse_formulas(formula)
    assert time.perf_counter() - started < 1
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("formula", [None, 3, {"x": "a"}, ["x = 1", 2], b"x = 1"])
def test_a_formula_is_text(formula: object) -> None:
    with pytest.raises(FormulaError, match="expected a string such as"):
        parse_formulas(formula)  # type: ignore[arg-type]


@pytest.mark.parametrize("formula", ["", "  \n", "# only a comment", []])
def test_no_formula_at_all_is_refused(formula: str) -> None:
    with pytest.raises(FormulaError, match=r'^formula: expected at least one, such as ".*"\.$'):
        parse_formulas(formula)
