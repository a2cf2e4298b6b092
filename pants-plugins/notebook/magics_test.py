from __future__ import annotations

from textwrap import dedent

import pytest

from notebook.magics import is_python, python_of, runs_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%autoreload 2", "pass"),
        ("%load_ext autoreload", "pass"),
        ("%load_ext sql", "import sql"),
        ("%aimport models.iris, -os", "import models.iris"),
        ("%matplotlib inline", "import matplotlib"),
        ("%pylab", "import matplotlib, numpy"),
        ("%time from models import iris", "from models import iris"),
        ("%timeit -n 10 -r 3 import pandas", "import pandas"),
        ("%time def", "pass"),
        ("!ls | grep 'it", "pass"),
        ("!!ls", "pass"),
        ("!python -m models.iris.train --help", "'models.iris.train'"),
        ("!{sys.executable} -m models.iris.train", "'models.iris.train'"),
        ("%run -m models.iris.train", "'models.iris.train'"),
        ("files = !ls *.csv", "files = None"),
        ("table['a'], rest = %sql SELECT 1", "table['a'], rest = None"),
        ("loaded = %time 1 + 1", "loaded = 1 + 1"),
        ("pandas.read_csv?", "pass"),
        ("??pandas", "pass"),
        ("/print 1", "pass"),
        (",print a b", "pass"),
    ],
)
def test_a_line_of_ipython_becomes_one_of_python(line: str, expected: str) -> None:
    assert python_of(f"x = 1\n{line}\nimport os") == f"x = 1\n{expected}\nimport os"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (">>> import os\n>>> os", "import os\nos"),
        (">>> def f():\n...     import os\n...\n>>> f()", "def f():\n    import os\n\nf()"),
        ("\n    >>> import os\n    ... # end", "\nimport os\n# end"),
        ("# From a page:\n>>> import os", "# From a page:\nimport os"),
        (">>> %matplotlib inline\n>>> import os", "import matplotlib\nimport os"),
        ("In [1]: import os\n   ...: import re", "import os\nimport re"),
        ("[ins] In [12]: def f():\n          ...:     pass", "def f():\n    pass"),
    ],
)
def test_pasted_prompts_are_removed(source: str, expected: str) -> None:
    assert python_of(source) == expected


def test_prompts_in_strings_and_ellipses_are_kept() -> None:
    source = '%time 1\ndef f():\n    """\n    >>> f()\n    """\n    ...'
    assert python_of(source) == source.replace("%time 1", "1")


def test_python_is_not_changed() -> None:
    source = "x = (10\n % 3)\nawait x\nprint('%d!' % x)"
    assert python_of(source) == source


def test_ipython_syntax_is_replaced_only_where_a_statement_begins() -> None:
    source = dedent(
        '''\
        text = """
        %load_ext in_a_string
        !ls
        """
        y = (10  # a bracket ( in a comment
         % x) + \\
        %x
        if y:
            !ls \\
              -l
            import after
        '''
    )
    expected = source.replace("    !ls \\\n      -l", "    pass\n")
    assert python_of(source) == expected


def test_syntax_of_a_newer_python_is_not_changed() -> None:
    source = 'type X = int\n!ls\nprint(f"{table["a"]}")\n%load_ext sql'
    assert python_of(source) == 'type X = int\npass\nprint(f"{table["a"]}")\nimport sql'


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("\n%%time\nimport os\n!ls\nimport re", "\npass\nimport os\npass\nimport re"),
        ("%%timeit -n 5 import os\nimport re", "import os\nimport re"),
        ("%%capture out\nimport os", "pass\nimport os"),
        ("%%bash\nls\npython -m models.iris.train", "pass\npass\n'models.iris.train'"),
        ("%%html\n<b>\nimport os", "\n\n"),
        ("%%sql\nSELECT 1", "\n"),
    ],
)
def test_cell_magics_are_converted(cell: str, expected: str) -> None:
    assert python_of(cell) == expected
    assert python_of(cell).count("\n") == cell.count("\n")


def test_a_cell_may_be_indented_as_a_whole() -> None:
    assert python_of("    import os\n    if os:\n        !ls") == "import os\nif os:\n    pass"


def test_a_broken_line_is_kept_for_the_parser() -> None:
    assert python_of("import os\ndef f(:\n%time") == "import os\ndef f(:\n%time"
    assert not is_python("def f(:")


def test_files_that_are_run_are_found() -> None:
    source = "%run -i helpers.py\n  %run './other one.ipynb'\n%run {name}\n%run $HOME/x.py\nrun = 1"
    assert runs_of(source) == ("helpers.py",)
    assert runs_of("%run '../shared.ipynb' 3") == ("../shared.ipynb",)
