"""Things of one kind by name: each is added by a decorator where it is written, and nowhere else.

    sampler = Registry("sampler", "viddiff.diffusion.samplers")

    @sampler("ddim")
    def ddim(...): ...

Names are read from the source, so that planning, which imports neither torch nor NumPy, knows them too. A thing is
imported when it is asked for.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from viddiff.errors import unknown

T = TypeVar("T")
Thing = TypeVar("Thing")


class Registry(Generic[T]):
    """The decorator of a kind of things, which knows those that it decorates.

    kind: the decorator's name; package: the module that holds all of the kind, or the folder of such modules; entry:
    what is kept of a thing and the facts that its decorator is given, if not the thing alone.
    """

    def __init__(self, kind: str, package: str, entry: Callable[..., T] = lambda thing: thing):
        self.kind = kind
        self.package = package
        self.entry = entry
        self._entries: dict[str, T] = {}

    def __call__(self, *names: str, **facts: Any) -> Callable[[Thing], Thing]:
        """Add what is decorated under its name and its aliases. Only literal names are known before the import."""

        def add(thing: Thing) -> Thing:
            self._entries.update(dict.fromkeys(names, self.entry(thing, **facts)))
            return thing

        return add

    def names(self) -> tuple[str, ...]:
        """All names, in the order of the source."""
        return tuple(declared(self.kind, self.package))

    def find(self, name: str) -> T:
        """The entry of that name. Raises `InputError` with the nearest name and all known ones if there is none."""
        modules = declared(self.kind, self.package)
        if name not in modules:
            raise unknown(f"{self.kind} {name!r}", name, modules)
        import_module(modules[name])
        return self._entries[name]

    @contextmanager
    def apart(self) -> Iterator[dict[str, T]]:
        """What is added in the block is added to the dict that is handed out, and not known."""
        for module in declared(self.kind, self.package).values():
            import_module(module)  # else the block may be the first to
        entries, self._entries = self._entries, {}
        try:
            yield self._entries
        finally:
            self._entries = entries


def declared(kind: str, package: str) -> dict[str, str]:
    """The names that the decorator `@<kind>("<name>", ...)` adds in a package, each with its module."""
    return {name: module for name, (module, _) in _declarations(kind, package).items()}


def declared_facts(kind: str, package: str) -> dict[str, dict[str, Any]]:
    """The facts that the decorators are given, by name: those that are literals, or constants of the module."""
    return {name: facts for name, (_, facts) in _declarations(kind, package).items()}


@cache
def _declarations(kind: str, package: str) -> dict[str, tuple[str, dict[str, Any]]]:
    path = Path(__file__).parents[1] / package.replace(".", "/")
    if path.is_dir():
        files = {f"{package}.{file.stem}": file for file in sorted(path.glob("*.py"))}
    else:
        files = {package: path.with_suffix(".py")}
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for module, file in files.items():
        text = file.read_text(encoding="utf-8")
        if f"\n@{kind}(" not in text:  # parsing takes longer than reading
            continue
        body = ast.parse(text).body
        for decorator in (decorator for node in body for decorator in getattr(node, "decorator_list", ())):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == kind:
                names = [name.value for name in decorator.args if isinstance(name, ast.Constant)]
                found |= {str(name): (module, _facts(decorator, body)) for name in names}
    return found


def _facts(decorator: ast.Call, body: list[ast.stmt]) -> dict[str, Any]:
    constants = {
        target.id: node.value
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    facts = {}
    for keyword in decorator.keywords:
        value = constants.get(keyword.value.id) if isinstance(keyword.value, ast.Name) else keyword.value
        with suppress(ValueError):
            facts[str(keyword.arg)] = ast.literal_eval(value) if value else None
    return facts
