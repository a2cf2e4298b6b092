"""List the tasks of an image. An image runs this module if no task is given."""

import ast
from importlib.util import find_spec
from pathlib import Path


def summary(module: str) -> str:
    """The first line of a module's docstring, without importing the module."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    documentation = ast.get_docstring(ast.parse(Path(spec.origin).read_text()))
    return (documentation or "").partition("\n")[0]


def main() -> None:
    """Print each task with its summary."""
    tasks = Path(__file__).with_name("tasks.txt").read_text().split()
    width = max(map(len, tasks))
    print("usage: docker run IMAGE TASK [OPTIONS]\n\ntasks:")
    for task in tasks:
        print(f"  {task:<{width}}  {summary(task)}".rstrip())
    print("\n`TASK --help` lists the options of one.")


if __name__ == "__main__":
    main()
