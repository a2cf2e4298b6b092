"""Check that a loaded pipeline is the one that its definition builds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from modelling.definition import ModelDefinition
from modelling.stored_models.file_checks import RefusedModelError, fitted_parts

_SEED = "random_state"
_JOBS = "n_jobs"


def check_structure(pipeline: object, definition: ModelDefinition) -> None:
    """Refuse a pipeline whose estimators or constructor parameters are not the definition's.

    A seed may have any value, and a parameter of the search space any value in it. An estimator
    that fitting has copied must have the parameters of its original.

    Raises:
        RefusedModelError: something differs.
    """
    expected = definition.build_pipeline(0)
    space = definition.search_space
    if difference := next(_find_differences(expected, pipeline, "", space), None):
        raise RefusedModelError(f"{difference}. Only pipelines of build_pipeline are loaded")
    own = {id(one): one for one in _walk_estimators(pipeline)}
    parts = fitted_parts({_type_name(one) for one in own.values()})
    jobs = {getattr(one, _JOBS, None) for one in own.values()} | {None, 1}
    for found in walk_objects(pipeline):
        _check_attributes(found, jobs)
        if id(found) in own or not _is_estimator(found) or _type_name(found).startswith(parts):
            continue
        models = [one for one in own.values() if type(one) is type(found)]
        differences = [next(_find_differences(one, found, "", {}), None) for one in models]
        if differences and all(differences):
            raise RefusedModelError(
                f"a fitted {type(found).__name__} in it is not a copy of one that build_pipeline "
                f"creates: {differences[0]}"
            )


def is_in_space(values: Any, value: object) -> bool:
    """Whether a value is in a sequence or in the support of a scipy distribution."""
    if not hasattr(values, "rvs"):
        return any(_is_equal(one, value) for one in values)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not hasattr(values, "support") or not is_number:
        return is_number
    low, high = values.support()
    return bool(low <= value <= high)


def walk_objects(root: object) -> Iterator[Any]:
    """Yield each object of a loaded pipeline once, except containers and plain values."""
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


def _walk_estimators(value: object) -> Iterator[Any]:
    """Yield the pipeline and the estimators in its constructor parameters."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _walk_estimators(one)
    elif _is_estimator(value):
        yield value
        for one in value.get_params(deep=False).values():  # type: ignore[attr-defined]
            yield from _walk_estimators(one)


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


def _find_differences(
    expected: Any, found: Any, path: str, space: Mapping[str, Any]
) -> Iterator[str]:
    """Yield differences between two pipelines; parameters have their names in `set_params`."""
    name = path.rpartition("__")[2]
    if name == _SEED and (found is None or type(found) is int):
        return
    if expected == "passthrough" and isinstance(found, FunctionTransformer) and not found.func:
        return  # fitting a union adds it
    if path in space and is_in_space(space[path], found):
        return
    if type(expected) is not type(found):
        yield f"{path or 'it'} is a {type(found).__name__}, expected a {type(expected).__name__}"
    elif _is_estimator(expected):
        for one, value in expected.get_params(deep=False).items():
            if one not in vars(found):
                yield f"{_join(path, one)} is missing"
            yield from _find_differences(value, getattr(found, one), _join(path, one), space)
    elif isinstance(expected, list | tuple):
        yield from _find_item_differences(expected, found, path, space)
    elif isinstance(expected, dict):
        if list(expected) != list(found):
            yield f"{path} is {found!r}, expected {expected!r}"
        for key in expected:
            yield from _find_differences(expected[key], found[key], f"{path}[{key!r}]", space)
    elif type(expected).__module__ != "builtins" and getattr(expected, "__dict__", None):
        yield from _find_differences(vars(expected), vars(found), path, space)
    elif not _is_equal(expected, found):
        tuned = f", or a value of the search space {space[path]}" if path in space else ""
        yield f"{path} is {_shorten(found)}, expected {_shorten(expected)}{tuned}"


def _find_item_differences(
    expected: Any, found: Any, path: str, space: Mapping[str, Any]
) -> Iterator[str]:
    if len(expected) != len(found):
        yield f"{path} has {len(found)} items, expected {len(expected)}"
    # `set_params` uses the names of a pipeline's steps instead of the parameter `steps`.
    owner = path.rpartition("__")[0] if path else ""
    for one, other in zip(expected, found, strict=False):
        named = isinstance(one, tuple) and len(one) > 1 and isinstance(one[0], str)
        if named and isinstance(other, tuple) and len(other) == len(one):
            yield from _find_differences(one[0], other[0], f"{path}: the name", space)
            for part, part_found in zip(one[1:], other[1:], strict=True):
                yield from _find_differences(part, part_found, _join(owner, one[0]), space)
        else:
            yield from _find_differences(one, other, path, space)


def _join(owner: str, name: str) -> str:
    return f"{owner}__{name}" if owner else name


def _is_equal(expected: Any, found: Any) -> bool:
    if expected is found:
        return True
    if isinstance(expected, np.ndarray):
        return expected.dtype == found.dtype and np.array_equal(expected, found)
    if isinstance(expected, float) and isinstance(found, float) and expected != expected:
        return found != found
    return bool(expected == found)


def _shorten(value: object) -> str:
    """The first characters of a value, which may be long in a crafted file."""
    named = getattr(value, "__name__", None)
    return str(named) if named else ascii(value)[:100]
