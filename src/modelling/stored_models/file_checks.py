"""Check a stored model's file before any object is built from it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import skops.io
from numpy.lib import format as npy

from cli.errors import UserError
from modelling.definition import ModelDefinition

# Training writes a few MB, such as 5 MB for 360 boosted trees. The limits allow a forest of several
# thousand trees.
MAX_FILE_BYTES = 2 << 30
MAX_SCHEMA_BYTES = 64 << 20
MAX_NODES = 2_000_000
MAX_DEPTH = 200
# skops always compresses sparse matrices, and only those.
MAX_SPARSE_BYTES = 1 << 30
MAX_OUTPUTS = 10_000

_SCHEMA = "schema.json"
# An array starts with a magic string and two bytes for the length of its header.
_ARRAY_START = npy.MAGIC_LEN + 2
_MEMBERS = {".npy", ".npz", ".bin"}
_PRIMITIVES = {f"builtins.{name}" for name in ("str", "int", "float", "bool")}
_DTYPES = {f"numpy.{kind.__name__}" for kind in np.sctypeDict.values()}
# The types of plain data, by the skops loader that builds them.
_DATA = {
    "JsonNode": _PRIMITIVES,
    "TypeNode": _PRIMITIVES | _DTYPES,
    "DictNode": {"builtins.dict", "collections.OrderedDict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "BytesNode": {"builtins.bytes"},
    "NdArrayNode": {"numpy.ndarray"} | _DTYPES,
    "DTypeNode": {"numpy.dtype"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
    "SparseMatrixNode": {
        f"scipy.sparse._{kind}.{kind}_{form}"
        for kind in ("csr", "csc", "coo")
        for form in ("matrix", "array")
    },
}
_TREES = ("sklearn.tree._classes.",)
_PASSED = ("sklearn.preprocessing._function_transformer.FunctionTransformer",)
_CLASSES = (
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.preprocessing._label.LabelBinarizer",
)
# Prefixes of the types that fitting adds, by the prefix of the estimator's type.
FITTED_PARTS: Mapping[str, tuple[str, ...]] = {
    "sklearn.compose.": _PASSED,
    "sklearn.pipeline.FeatureUnion": _PASSED,
    "sklearn.ensemble._forest.": _TREES,
    "sklearn.ensemble._iforest.": _TREES,
    "sklearn.ensemble._bagging.": _TREES,
    "sklearn.ensemble._weight_boosting.": _TREES,
    "sklearn.ensemble._stacking.": (*_CLASSES, "sklearn.linear_model."),
    "sklearn.ensemble._voting.": _CLASSES,
    "sklearn.multiclass.": _CLASSES,
    "sklearn.linear_model.": (*_CLASSES, "sklearn.linear_model._sgd_fast."),
    "sklearn.neural_network.": _CLASSES,
    "sklearn.preprocessing._data.PowerTransformer": ("sklearn.preprocessing._data.StandardScaler",),
    "sklearn.preprocessing._discretization.": ("sklearn.preprocessing._encoders.OneHotEncoder",),
    "sklearn.calibration.": _CLASSES,
    "sklearn.ensemble._gb.": (*_TREES, "sklearn._loss.", "sklearn.dummy."),
    "sklearn.ensemble._hist_gradient_boosting.": (
        *_CLASSES,
        "sklearn._loss.",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    ),
}


class RefusedModelError(UserError):
    """Training with this code could not have written a stored model."""


def check_file(file: Path, definition: ModelDefinition) -> None:
    """Refuse a file that would exhaust memory, or has types that the pipeline does not use.

    Raises:
        RefusedModelError: the file is such a one.
        ValueError, KeyError, zipfile.BadZipFile, ...: it is not a complete skops file.
    """
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise RefusedModelError(f"it has {size:,} bytes, expected at most {MAX_FILE_BYTES:,}")
    with zipfile.ZipFile(file) as archive:
        _check_members(archive, size)
        schema = json.loads(archive.read(_SCHEMA))
        written = _schema_of(definition.build_pipeline(0))
        _check_root(schema, written["protocol"])
        _check_nodes(
            schema, _Allowed(_types_in(written), set(definition.collect_trusted_types())), archive
        )


def fitted_parts(names: set[str]) -> tuple[str, ...]:
    """The prefixes of the types that fitting adds to a pipeline with types `names`."""
    owners = [owner for owner in FITTED_PARTS if any(name.startswith(owner) for name in names)]
    return tuple(sorted({part for owner in owners for part in FITTED_PARTS[owner]}))


def _schema_of(pipeline: object) -> dict[str, Any]:
    """What skops writes for a pipeline, except its arrays."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline))) as archive:
        schema: dict[str, Any] = json.loads(archive.read(_SCHEMA))
    return schema


def _types_in(schema: dict[str, Any]) -> dict[str, set[str]]:
    """The names of a schema's types and functions, by their loader."""
    found: dict[str, set[str]] = {}
    for node, _ in _nodes(schema):
        found.setdefault(node["__loader__"], set()).add(_type_name(node))
    return found


class _Allowed:
    """The types that a file may contain: data, the pipeline's, fitting's, and trusted ones."""

    def __init__(self, written: Mapping[str, set[str]], trusted: set[str]) -> None:
        self.trusted = trusted
        self.by_loader = {
            loader: _DATA.get(loader, set()) | written.get(loader, set())
            for loader in {*_DATA, *written}
        }
        self.parts = fitted_parts({*trusted, *written.get("ObjectNode", ())})

    def __contains__(self, node: Mapping[str, Any]) -> bool:
        name = _type_name(node)
        return (
            name in self.trusted
            or name in self.by_loader.get(node["__loader__"], ())
            or (node["__loader__"] in ("ObjectNode", "LossNode") and name.startswith(self.parts))
        )


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Check that members are neither compressed nor overlap: the file's size then bounds them."""
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise RefusedModelError("it contains two files with the same name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise RefusedModelError(
                f"{member.filename!r} in it is compressed, but training writes no compressed files"
            )
    if sum(member.file_size for member in members) > size:
        raise RefusedModelError("the files in it are larger than the whole file")
    for member in members:
        name = member.filename
        if name == _SCHEMA:
            if member.file_size > MAX_SCHEMA_BYTES:
                raise RefusedModelError(
                    f"its {name} has {member.file_size:,} bytes, expected at most "
                    f"{MAX_SCHEMA_BYTES:,}"
                )
        elif PurePosixPath(name).suffix not in _MEMBERS:
            raise RefusedModelError(f"it contains {name!r}, which is not part of a stored model")
        elif name.endswith(".npz"):
            _check_sparse(archive.read(member), name)
        elif name.endswith(".npy"):
            with archive.open(member) as stream:
                _check_array(stream, member.file_size, name)


def _check_sparse(content: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        total = sum(member.file_size for member in inner.infolist())
        if total > MAX_SPARSE_BYTES:
            raise RefusedModelError(
                f"{name!r} in it unpacks to {total:,} bytes, expected at most {MAX_SPARSE_BYTES:,}"
            )
        for member in inner.infolist():
            with inner.open(member) as stream:
                _check_array(stream, member.file_size, f"{name}/{member.filename}")


def _check_array(stream: Any, size: int, name: str) -> None:
    """Check that an array has the size in its header, for which NumPy allocates memory."""
    start = stream.read(_ARRAY_START)
    header = stream.read(int.from_bytes(start[-2:], "little"))
    if start[:-2] != npy.magic(1, 0):
        raise RefusedModelError(
            f"{name!r} in it is not an array in the format that training writes"
        )
    shape, dtype = _parse_header(start[-2:] + header)
    items = math.prod(shape)
    if dtype.hasobject or (items and not dtype.itemsize):
        raise RefusedModelError(f"{name!r} in it is an array of {dtype}")
    if len(start) + len(header) + items * dtype.itemsize != size:
        raise RefusedModelError(f"{name!r} in it does not have the size in its header")


@lru_cache(maxsize=10_000)
def _parse_header(header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    shape, _, dtype = npy.read_array_header_1_0(io.BytesIO(header))
    return shape, dtype


def _check_root(schema: Any, protocol: int) -> None:
    name = str(schema["__class__"])
    if _type_name(schema) != "sklearn.pipeline.Pipeline":
        raise RefusedModelError(f"it contains a {name}, expected a Pipeline")
    # skops checks older formats less strictly.
    if schema["protocol"] != protocol or isinstance(schema["protocol"], bool):
        raise RefusedModelError(f"it has skops' format {schema['protocol']!r}, expected {protocol}")


def _check_nodes(schema: Any, allowed: _Allowed, archive: zipfile.ZipFile) -> None:
    unknown: set[str] = set()
    trees = []
    for number, (node, depth) in enumerate(_nodes(schema), start=1):
        if number > MAX_NODES or depth > MAX_DEPTH:
            raise RefusedModelError(
                f"it has more than {MAX_NODES:,} objects, or more than {MAX_DEPTH} nested ones"
            )
        if node not in allowed:
            unknown.add(_type_name(node))
        if node["__loader__"] == "TreeNode":
            trees.append(node)
    if unknown:
        raise RefusedModelError(
            f"it contains {', '.join(map(repr, sorted(unknown)[:5]))}, "
            "which build_pipeline does not create. If fitting adds a type, add it to "
            "`trusted_types` in definition.py"
        )
    _check_repeated(schema, archive)
    for tree in trees:
        _check_tree_sizes(tree, archive)


def _check_repeated(schema: Any, archive: zipfile.ZipFile) -> None:
    """Check that nodes with the same `__id__` are equal.

    skops loads the first node with an `__id__` for all others with the same `__id__`. A small file
    could thus expand to more than the memory, or load something else than it shows. skops itself
    writes every node in full. Values that it computes while writing get different files each time,
    so the contents of the files are compared if their names differ.
    """
    if not _is_consistent(schema, str):
        contents = cache(lambda file: hashlib.sha256(archive.read(file)).hexdigest())
        if not _is_consistent(schema, contents):
            raise RefusedModelError("two of its objects have the same number, but differ")


def _is_consistent(schema: Any, file_key: Callable[[Any], str]) -> bool:
    first: dict[object, int] = {}
    numbers: dict[object, int] = {}
    differ = False

    def number(value: Any) -> int:
        """Give equal content the same number."""
        nonlocal differ
        if isinstance(value, dict):
            content: tuple[object, ...] = (
                dict,
                *(
                    (key, file_key(one) if key == "file" and isinstance(one, str) else number(one))
                    for key, one in value.items()
                    if key != "__id__"
                ),
            )
        elif isinstance(value, list):
            content = (list, *map(number, value))
        else:
            content = (type(value), value)
        found = numbers.setdefault(content, len(numbers))
        identifier = value.get("__id__") if isinstance(value, dict) else None
        if identifier is not None and first.setdefault(identifier, found) != found:
            differ = True
        return found

    number(schema)
    return not differ


def _nodes(schema: Any) -> Iterator[tuple[dict[str, Any], int]]:
    """All nodes, outer ones first, each with its depth."""
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict) and isinstance(value.get("__loader__"), str):
            yield value, depth
        children = reversed(value.values() if isinstance(value, dict) else value)
        waiting += [(one, depth + 1) for one in children if isinstance(one, dict | list)]


def _type_name(node: Mapping[str, Any]) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _check_tree_sizes(node: Mapping[str, Any], archive: zipfile.ZipFile) -> None:
    """Check the number of outputs: a tree's constructor reads as many counts of classes."""
    features, classes, outputs = node["__reduce__"]["args"]["content"]
    counts = np.load(io.BytesIO(archive.read(classes["file"])), allow_pickle=False)
    sizes = [json.loads(features["content"]), json.loads(outputs["content"])]
    fits = (
        all(type(size) is int and 0 < size < 1 << 31 for size in sizes)
        and counts.ndim == 1
        and counts.dtype == np.intp
        and len(counts) == sizes[1] <= MAX_OUTPUTS
        and (counts > 0).all()
        and (counts < 1 << 31).all()
    )
    if not fits:
        raise RefusedModelError("one of its trees has an impossible number of features or classes")
