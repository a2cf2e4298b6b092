"""Convert a cell to Python. IPython's syntax is replaced line by line, to keep line numbers."""

from __future__ import annotations

import re

from notebook.syntax import syntax_error

# Cell magics whose body is Python; the same as in Ruff, so both tools read the same code.
_PYTHON_CELLS = {"capture", "prun", "pypy", "python", "python3", "time", "timeit"}
_SHELL_CELLS = {"!", "bash", "script", "sh", "system", "sx"}
# Line magics whose argument is a statement.
_STATEMENTS = {"lprun", "memit", "mprun", "prun", "time", "timeit"}
# Extensions that are part of IPython.
_OWN_EXTENSIONS = {"autoreload", "storemagic"}
_PLOT_LIBRARIES = {"matplotlib": "import matplotlib", "pylab": "import matplotlib, numpy"}
_NOTHING = "pass"

_OPTIONS = re.compile(r"(?:-\w+\s*(?:\d+\s+)?|-\w+\s+)*")
_MAGIC = re.compile(r"%(?P<name>[A-Za-z_][\w.]*)[ \t]*(?P<args>.*)")
_ASSIGNED = re.compile(r"(?P<names>[\w.,*\[\] \t'\"]+?)=[ \t]*(?P<command>(?:%(?=[A-Za-z_])|!).*)")
_HELP = re.compile(r"%{0,2}[\w.*\[\]'\"]+\?{1,2}[ \t]*")
_PYTHON_MODULE = re.compile(
    r"(?:\bpython[\d.]*|executable\})\s+(?:-[A-Za-ln-z]\s+)*-m\s+([A-Za-z_][\w.]*)"
)
_RUN = re.compile(r"^[ \t]*%run[ \t]+(?:-[a-z]+[ \t]+)*(['\"]?)([^\s'\"]+)\1", re.MULTILINE)

# Python's and IPython's prompts, each with a pattern that is unambiguous: `...` is also Python.
_IN = re.compile(r"(?:(?:\[nav\]|\[ins\])? )?In \[\d+\]: |[ \t]*\.{3,}: ?")
_PROMPTS = (
    (re.compile(r"[ \t]*(?:>>>|\.\.\.)(?:[ \t]|$)"), re.compile(r"[ \t]*>>>(?:[ \t]|$)")),
    (_IN, _IN),
)

_TEXT = re.compile(
    r"""
    \#.*                          # a comment
    | (?P<long>\"{3}|'{3})        # a string over lines begins
    | \"(?:\\.|[^\"\\])*\"?       # a string
    | '(?:\\.|[^'\\])*'?
    | (?P<open>[\[({])
    | (?P<close>[\])}])
    | (?P<goes_on>\\$)
    """,
    re.VERBOSE,
)


def python_of(source: str) -> str:
    """The cell as Python with the same line numbers. Lines that are not Python become empty."""
    if is_python(source):
        return source
    lines = _without_prompts(_without_indent(source).split("\n"))
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        return "\n".join(("",) * first + (_cell_magic(lines[first:]),))
    return "\n".join(_python_lines(lines))


def runs_of(source: str) -> tuple[str, ...]:
    """The files in `%run` magics, without names that IPython expands at run time."""
    lines = _without_prompts(source.split("\n"))
    paths = (match[2] for match in _RUN.finditer("\n".join(lines)))
    return tuple(path for path in paths if not set(path) & set("{$*"))


def is_python(source: str) -> bool:
    """Whether it parses in this Python, which is older than the notebook's."""
    return syntax_error(source) is None


def _without_indent(source: str) -> str:
    """Remove the indent of the first line from all lines, as IPython does."""
    indent = re.match(r"\n*([ \t]*)", source)
    prefix = indent[1] if indent else ""
    return re.sub(rf"^{prefix}", "", source, flags=re.MULTILINE) if prefix else source


def _without_prompts(lines: list[str]) -> list[str]:
    """Remove the prompts of pasted code, as IPython does."""
    for prompt, begins in _PROMPTS:
        stripped, has_prompts, scanner = [], False, _Scanner()
        for line in lines:
            if scanner.quotes:
                stripped.append(line)
            else:
                has_prompts |= bool(begins.match(line))
                stripped.append(prompt.sub("", line, count=1))
            scanner.read(stripped[-1])
        if has_prompts:
            return stripped
    return lines


def _cell_magic(lines: list[str]) -> str:
    name, _, args = lines[0][2:].strip().partition(" ")
    body = lines[1:]
    if name in _PYTHON_CELLS:
        first = _statement(args) if name in _STATEMENTS else _NOTHING
        return "\n".join((first, python_of("\n".join(body))))
    if name.startswith("!") or name in _SHELL_CELLS:
        return "\n".join(_shell(line) for line in lines)
    return "\n" * len(body)


def _python_lines(lines: list[str]) -> list[str]:
    """Replace IPython's lines, but only where a statement can begin: `% 3` may be a modulo."""
    done: list[str] = []
    scanner = _Scanner()
    rest = iter(lines)
    for line in rest:
        command = None if scanner.inside else _command(line)
        if command is None:
            scanner.read(line)
            done.append(line)
            continue
        done.append(command)
        while line.endswith("\\"):
            line = next(rest, "")  # noqa: PLW2901
            done.append("")
    return done


def _command(line: str) -> str | None:
    """The replacement for a line of IPython syntax, or None for other lines."""
    text = line.lstrip()
    indent = line[: len(line) - len(text)]
    replaced = _replacement(text.rstrip("\\"))
    return None if replaced is None else indent + replaced


def _replacement(text: str) -> str | None:
    magic = _MAGIC.fullmatch(text)
    if magic:
        return _line_magic(magic["name"], magic["args"])
    if text.startswith("!"):
        return _shell(text)
    assigned = _ASSIGNED.fullmatch(text)
    if assigned:
        return f"{assigned['names']}= {_value(assigned['command'])}"
    if text.startswith(("?", ",", ";", "/")) or _HELP.fullmatch(text):
        return _NOTHING
    return None


def _line_magic(name: str, args: str) -> str:
    if name in _STATEMENTS:
        return _statement(args)
    if name in _PLOT_LIBRARIES:
        return _PLOT_LIBRARIES[name]
    if name in ("load_ext", "reload_ext") and args.strip() not in _OWN_EXTENSIONS:
        return _import(args)
    if name == "aimport":
        return _import(",".join(part for part in args.split(",") if "-" not in part))
    if name in ("run", "sx", "system"):
        return _shell(f"python {args}" if name == "run" else args)
    return _NOTHING


def _value(command: str) -> str:
    """The right-hand side of an assignment."""
    replaced = _replacement(command) or _NOTHING
    return replaced if is_python(f"({replaced})") else "None"


def _statement(args: str) -> str:
    code = _OPTIONS.sub("", f"{args} ", count=1).strip()
    return code if code and is_python(code) else _NOTHING


def _import(names: str) -> str:
    code = f"import {names.strip()}"
    return code if is_python(code) else _NOTHING


def _shell(line: str) -> str:
    """A module that a shell line runs, as a string, since Pants infers imports from strings."""
    module = _PYTHON_MODULE.search(line)
    return repr(module[1]) if module else _NOTHING


class _Scanner:
    """Tracks whether the next line continues a string, bracket or line of an earlier one."""

    def __init__(self) -> None:
        self.depth = 0
        self.quotes = ""
        self.goes_on = False

    @property
    def inside(self) -> bool:
        return bool(self.depth or self.quotes or self.goes_on)

    def read(self, line: str) -> None:
        self.goes_on = False
        start = 0
        while start < len(line):
            start = self._string_end(line, start) if self.quotes else self._next(line, start)

    def _string_end(self, line: str, start: int) -> int:
        end = re.compile(rf"(?:\\.|(?!{self.quotes}).)*({self.quotes})?").match(line, start)
        if end and end[1]:
            self.quotes = ""
            return end.end()
        return len(line)

    def _next(self, line: str, start: int) -> int:
        found = _TEXT.search(line, start)
        if not found:
            return len(line)
        self.quotes = found["long"] or ""
        self.depth = max(0, self.depth + bool(found["open"]) - bool(found["close"]))
        self.goes_on = bool(found["goes_on"])
        return found.end()
