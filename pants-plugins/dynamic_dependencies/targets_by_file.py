from __future__ import annotations

from collections import defaultdict

from pants.backend.python.dependency_inference import module_mapper
from pants.backend.python.dependency_inference.module_mapper import AllPythonTargets
from pants.backend.python.target_types import PythonSourceField
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Target
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel


class PythonTargetsByFile(FrozenDict[str, tuple]):
    """The targets of each Python source, by its path from the build root.

    Pants' own `Owners` compares each file of a request with each target below the files' folders.
    For a glob over all models, that time grows with the square of their number.
    """


@rule(desc="Find the targets of each Python source", level=LogLevel.DEBUG)
def map_python_targets(every: AllPythonTargets) -> PythonTargetsByFile:
    by_file: dict[str, list[Target]] = defaultdict(list)
    for target in every.first_party:
        path = target[PythonSourceField].file_path
        if path is not None:
            by_file[path].append(target)
    return PythonTargetsByFile({path: tuple(targets) for path, targets in by_file.items()})


def rules():
    return (*collect_rules(), *module_mapper.rules())
