"""Whether a loaded pipeline is the one that its definition builds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from modelling.definition import ModelDefinition
from modelling.stored_models.stored_file import RefusedModelError, fitted_parts

_SEED = "random_state"
_JOBS = "n_jobs"


def check_structure(pipeline: object, definition: ModelDefinition) -> None:
    """Refuse a pipeline whose estimators or constructor parameters are not the definition's.

    A seed may be any, and a parameter that `tune` searches may have any value of the search space.
    The estimators that fitting copied have the parameters of one that they are copies of.

    Raises:
        RefusedModelError: something differs.
    """
    expected = definition.build_pipeline(0)
    space = definition.search_space
    if difference := next(_differences(expected, pipeline, "", space), None):
        raise RefusedModelError(f"{difference}. Only what build_pipeline makes is loaded")
    own = {id(one): one for one in _constructed(pipeline)}
    parts = fitted_parts({_type_name(one) for one in own.values()})
    jobs = {getattr(one, _JOBS, None) for one in own.values()} | {None, 1}
    for found in objects(pipeline):
        _check_attributes(found, jobs)
        if id(found) in own or not _is_estimator(found) or _type_name(found).startswith(parts):
            continue
        models = [one for one in own.values() if type(one) is type(found)]
        differences = [next(_differences(one, found, "", {}), None) for one in models]
        if differences and all(differences):
            raise RefusedModelError(
                f"a fitted {type(found).__name__} in it is no copy of one that build_pipeline "
                f"makes: {differences[0]}"
            )


def is_in_space(values: Any, value: object) -> bool:
    """Whether a search space, a sequence or a distribution of scipy, holds a value."""
    if not hasattr(values, "rvs"):
        return any(_plainly_same(one, value) for one in values)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not hasattr(values, "support") or not is_number:
        return is_number
    low, high = values.support()
    return bool(low <= value <= high)


def objects(root: object) -> Iterator[Any]:
    """All that a loaded pipeline holds, but for containers and plain values; each once."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str | bytes | int | float | type | None) or id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += list(value)
        elif isinstance(value, np.ndarray):
            if value.dtype == object:
                waiting += list(value.flat)
        else:
            yield value
            waiting += list(getattr(value, "__dict__", {}).values())


def _constructed(value: object) -> Iterator[Any]:
    """The estimators that a pipeline was constructed from, itself included."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _constructed(one)
    elif _is_estimator(value):
        yield value
        for one in value.get_params(deep=False).values():  # type: ignore[attr-defined]
            yield from _constructed(one)


def _is_estimator(value: object) -> bool:
    return hasattr(type(value), "get_params")


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__name__}"


def _check_attributes(found: Any, jobs: set[Any]) -> None:
    for name, value in getattr(found, "__dict__", {}).items():
        method = getattr(type(found), name, None)
        if callable(method) and not isinstance(method, type):
            raise RefusedModelError(f"a {type(found).__name__} in it replaces its own {name!r}")
        if name == _JOBS and not (value in jobs and isinstance(value, int | None)):
            raise RefusedModelError(f"a {type(found).__name__} in it has n_jobs={value!r}")


def _differences(expected: Any, found: Any, path: str, space: Mapping[str, Any]) -> Iterator[str]:
    """Where two pipelines differ, by the names that `set_params` takes."""
    name = path.rpartition("__")[2]
    if name == _SEED and (found is None or type(found) is int):
        return
    if expected == "passthrough" and isinstance(found, FunctionTransformer) and not found.func:
        return  # fitting a union puts it there
    if path in space and is_in_space(space[path], found):
        return
    if type(expected) is not type(found):
        yield f"{path or 'it'} is a {type(found).__name__}, expected a {type(expected).__name__}"
    elif _is_estimator(expected):
        for one, value in expected.get_params(deep=False).items():
            if one not in vars(found):
                yield f"{_joined(path, one)} is missing"
            yield from _differences(value, getattr(found, one), _joined(path, one), space)
    elif isinstance(expected, list | tuple):
        yield from _item_differences(expected, found, path, space)
    elif isinstance(expected, dict):
        if list(expected) != list(found):
            yield f"{path} is {found!r}, expected {expected!r}"
        for key in expected:
            yield from _differences(expected[key], found[key], f"{path}[{key!r}]", space)
    elif type(expected).__module__ != "builtins" and getattr(expected, "__dict__", None):
        yield from _differences(vars(expected), vars(found), path, space)
    elif not _plainly_same(expected, found):
        tuned = f", and the search space has {space[path]}" if path in space else ""
        yield f"{path} is {_shown(found)}, expected {_shown(expected)}{tuned}"


def _item_differences(
    expected: Any, found: Any, path: str, space: Mapping[str, Any]
) -> Iterator[str]:
    if len(expected) != len(found):
        yield f"{path} has {len(found)} parts, expected {len(expected)}"
    # The steps of a pipeline have names, which take the place of the parameter `steps`.
    owner = path.rpartition("__")[0] if path else ""
    for one, other in zip(expected, found, strict=False):
        named = isinstance(one, tuple) and len(one) > 1 and isinstance(one[0], str)
        if named and isinstance(other, tuple) and len(other) == len(one):
            yield from _differences(one[0], other[0], f"{path}: the name", space)
            for part, part_found in zip(one[1:], other[1:], strict=True):
                yield from _differences(part, part_found, _joined(owner, one[0]), space)
        else:
            yield from _differences(one, other, path, space)


def _joined(owner: str, name: str) -> str:
    return f"{owner}__{name}" if owner else name


def _plainly_same(expected: Any, found: Any) -> bool:
    if expected is found:
        return True
    if isinstance(expected, np.ndarray):
        return expected.dtype == found.dtype and np.array_equal(expected, found)
    if isinstance(expected, float) and isinstance(found, float) and expected != expected:
        return found != found
    return bool(expected == found)


def _shown(value: object) -> str:
    """A few characters of any value; what a file holds may be long."""
    named = getattr(value, "__name__", None)
    return str(named) if named else ascii(value)[:100]
