"""Find the first-party modules that a fitted pipeline computes with, without importing them.

The search follows the import statements from the modules that define the pipeline. It finds the
same modules in a package, an image and a clone.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from cli.errors import UserError

TRUSTED = "TRUSTED_TYPES"
# The fingerprint of modules that were packaged as byte code only.
NO_SOURCE = "no source"
# Enough digits to distinguish versions of one module; only the digest of all modules decides.
_SHORT = 16
# The fields of a statement that contain other statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
# Packages that read tables, and the part of the feature store that computes.
_READING = ("config", "data_access_layer")
_COMPUTING = "feature_store.derived_features"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Code:
    """The modules that determine what a fitted pipeline computes.

    `modules` are fingerprints by module name; comments, docstrings and layout do not count.
    `trusted_types` are all `TRUSTED_TYPES` of the modules.
    """

    modules: Mapping[str, str]
    trusted_types: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A fingerprint of all modules, or `NO_SOURCE` if one has no source."""
        if NO_SOURCE in self.modules.values():
            return NO_SOURCE
        lines = (f"{name} {digest}\n" for name, digest in sorted(self.modules.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def code_of(*functions: Callable[..., Any]) -> Code:
    """Find the modules that define `functions`, and all first-party modules that they import.

    Raises:
        UserError: a module's `TRUSTED_TYPES` is not a literal tuple of strings.
    """
    return _collect(tuple(sorted({_module_of(function) for function in functions})))


def _module_of(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__module__", None) or type(function).__module__)


@cache
def _collect(names: tuple[str, ...]) -> Code:
    roots = _source_roots(names)
    modules: dict[str, str] = {}
    trusted: set[str] = set()
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        spec = _find_spec(name, roots)
        if spec is None:
            # The module that defines the pipeline may have no file, as in a notebook.
            modules |= {name: NO_SOURCE} if name in names else {}
            continue
        waiting += _parent_packages(name)
        tree = _parse(name, spec)
        if tree is None:
            modules[name] = NO_SOURCE
            continue
        is_package = spec.submodule_search_locations is not None
        waiting += _relevant_imports(
            name, _imported_names(tree, name if is_package else _parent(name))
        )
        trusted |= _trusted_types(tree, name)
        modules[name] = hashlib.sha256(_normalize(tree).encode()).hexdigest()[:_SHORT]
    return Code(dict(sorted(modules.items())), tuple(sorted(trusted)))


def _source_roots(names: Iterable[str]) -> tuple[str, ...]:
    """The source roots of this module and of `names`."""
    roots = []
    for name in (__name__, *names):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            is_package = hasattr(sys.modules[name], "__path__")
            roots.append(str(Path(file).parents[name.count(".") + is_package]))
    return tuple(dict.fromkeys(roots))


def _find_spec(name: str, roots: tuple[str, ...]) -> ModuleSpec | None:
    """Find a first-party module without importing its packages; None for any other name."""
    top, *below = name.split(".")
    spec = _find_top_spec(top, roots)
    for place, _ in enumerate(below, start=2):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(
            ".".join(name.split(".")[:place]), list(spec.submodule_search_locations)
        )
    return spec


@cache
def _find_top_spec(name: str, roots: tuple[str, ...]) -> ModuleSpec | None:
    if name in sys.stdlib_module_names:
        return None
    for root in roots:
        spec = PathFinder.find_spec(name, [root])
        if spec and not _is_installed(name, root):
            return spec
    return None


def _is_installed(name: str, root: str) -> bool:
    """Whether a distribution installed the module: a packaged environment also contains ours."""
    owned = re.compile(rf"^{re.escape(name)}(/|\.|,)", re.MULTILINE)
    return any(owned.search(text) for text in _read_records(root))


@cache
def _read_records(root: str) -> tuple[str, ...]:
    """Read the file lists of a folder's distributions, except the one that contains this module."""
    texts = (file.read_text(errors="replace") for file in Path(root).glob("*.dist-info/RECORD"))
    ours = f"{__name__.replace('.', '/')}.py,"
    return tuple(text for text in texts if not re.search(f"^{ours}", text, re.MULTILINE))


def _parent_packages(name: str) -> list[str]:
    """The package of a module, whose `__init__` runs before it."""
    return [_parent(name)] if "." in name else []


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _relevant_imports(name: str, imported: Iterable[str]) -> list[str]:
    """The imports that can change what a fitted pipeline computes.

    A feature view imports the code that reads its table from a store. That code only provides data,
    which the input contract validates, so it does not count.
    """
    if not name.startswith("feature_store.") or name.startswith(_COMPUTING):
        return list(imported)
    return [module for module in imported if module.partition(".")[0] not in _READING]


def _parse(name: str, spec: ModuleSpec) -> ast.Module | None:
    get_source = getattr(spec.loader, "get_source", None)
    source = get_source(name) if get_source else None
    # A folder without an `__init__` has neither loader nor code.
    if source is None and spec.origin is None and spec.submodule_search_locations is not None:
        source = ""
    return None if source is None else ast.parse(source)


def _imported_names(tree: ast.Module, package: str) -> Iterator[str]:
    """All imported names that may be modules, at any depth of the code."""
    for node in _runtime_statements(tree.body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*above, node.module] if node.level else [node.module]
            module = ".".join(part for part in parts if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _runtime_statements(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All statements except those in `if TYPE_CHECKING`."""
    waiting = list(statements)
    while waiting:
        node = waiting.pop()
        yield node
        fields: tuple[str, ...] = _BLOCKS
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            fields = ("orelse",)
        for field in fields:
            waiting += getattr(node, field, ())


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _trusted_types(tree: ast.Module, name: str) -> set[str]:
    values = [
        node.value
        for node in tree.body
        if (isinstance(node, ast.Assign) and TRUSTED in map(_name, node.targets))
        or (isinstance(node, ast.AnnAssign) and _name(node.target) == TRUSTED)
    ]
    found: set[str] = set()
    for value in values:
        try:
            types = tuple(ast.literal_eval(value)) if value else ()
        except (TypeError, ValueError):
            types = (None,)
        if not all(isinstance(one, str) for one in types):
            raise UserError(
                f"{name}: expected {TRUSTED} to be a literal tuple of strings, because it is read "
                "without running the module."
            )
        found |= set(types)
    return found


def _name(target: ast.expr) -> str | None:
    return target.id if isinstance(target, ast.Name) else None


def _normalize(tree: ast.Module) -> str:
    """Dump a module's code without comments, docstrings and layout."""
    for node in (tree, *_runtime_statements(tree.body)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
