"""`dataclass`, as in the standard library, but a method is made when it is first called.

The standard library writes and compiles five methods for each class at its definition, most of
which are never called: that was two fifths of the processor time of starting a process. Here a
class with slots gets methods that replace themselves at the first call. `fields`, `replace`,
`asdict` and pattern matching work as usual. What is not in the usual form (base classes,
non-textual annotations, methods of its own, other options) is left to the standard library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dataclasses import dataclass

__all__ = ["dataclass"]

_CHANGED = ("__setattr__", "__delattr__", "__getstate__", "__setstate__")
_OWN = frozenset(("__init__", "__eq__", "__hash__", "__slots__", *_CHANGED))
"""Methods that leave a class to the standard library."""
_OPTIONS = frozenset(("frozen", "slots", "eq", "repr"))
_SPECIAL = ("InitVar", "KW_ONLY", "dataclasses.", "typing.")
"""Beginnings of annotations that leave a class to the standard library."""
_CLASS_VARIABLE = "ClassVar"
_FACTS = ("__dataclass_fields__", "__dataclass_params__")
_NO_METHODS = dict.fromkeys(("init", "repr", "eq", "match_args"), False)
_ONLY: Mapping[str, Mapping[str, bool]] = {
    "__repr__": {"repr": True},
    "__eq__": {"eq": True},
    "__hash__": {"eq": True, "frozen": True},
}
"""The options with which the standard library makes a method, and few others."""
_REPLACED = ("__dict__", "__weakref__")
_set: Final = object.__setattr__


def _dataclass(cls: Any = None, /, **options: Any) -> Any:
    if cls is None:
        return lambda given: _dataclass(given, **options)
    if _is_usual(cls, options):
        return _Definition(cls, options).defined()
    return dataclasses.dataclass(**options)(cls)


if not TYPE_CHECKING:
    dataclass = _dataclass


def _is_usual(cls: Any, options: Mapping[str, Any]) -> bool:
    space = cls.__dict__
    if (
        not options.get("slots")
        or not options.keys() <= _OPTIONS
        or not _OWN.isdisjoint(space)
    ):
        return False
    if (
        type(cls) is not type
        or cls.__bases__ != (object,)
        or "__annotations__" not in space
    ):
        return False
    annotations = space["__annotations__"]
    return all(
        isinstance(text, str)
        and not text.startswith(_SPECIAL)
        and _is_usual_default(space.get(name))
        for name, text in annotations.items()
    )


def _is_usual_default(default: Any) -> bool:
    if isinstance(default, dataclasses.Field) and default.kw_only is True:
        return False
    return default.__class__.__hash__ is not None


class _Definition:
    """What a class was written with, and how its methods are made."""

    __slots__ = ("annotations", "cls", "defaults", "options")

    def __init__(self, cls: Any, options: Mapping[str, Any]) -> None:
        self.cls = cls
        self.options = options
        self.annotations: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        written = cls.__dict__["__annotations__"]  # noqa: RUF063 - without its import
        for name, text in written.items():
            if text.startswith(_CLASS_VARIABLE):
                continue
            self.annotations[name] = text
            if name in cls.__dict__:
                self.defaults[name] = cls.__dict__[name]

    def defined(self) -> Any:
        """The class with slots, and methods that are made when they are called."""
        cls, space = self.cls, dict(self.cls.__dict__)
        for name in (*self.defaults, *_REPLACED):
            space.pop(name, None)
        names = tuple(self.annotations)
        space["__slots__"] = names
        space.setdefault("__match_args__", tuple(filter(self._is_given, names)))
        for name in _FACTS:
            space[name] = _Fact(self, name)
        space["__init__"] = self._later("__init__", self._init)
        if self.options.get("repr", True) and "__repr__" not in space:
            space["__repr__"] = self._later("__repr__", self._standard)
        frozen = self.options.get("frozen", False)
        if self.options.get("eq", True):
            space["__eq__"] = self._later("__eq__", self._standard)
            space["__hash__"] = (
                self._later("__hash__", self._standard) if frozen else None
            )
        if frozen:
            space |= _FROZEN
        self.cls = type(cls.__name__, cls.__bases__, space)
        return self.cls

    def _is_given(self, name: str) -> bool:
        """Whether a field is an argument of the class."""
        default = self.defaults.get(name)
        return not isinstance(default, dataclasses.Field) or default.init

    def _later(self, name: str, make: Callable[[str], Any]) -> Any:
        def first(self_: Any, /, *args: Any, **kwargs: Any) -> Any:
            method = make(name)
            setattr(self.cls, name, method)
            return method(self_, *args, **kwargs)

        first.__name__ = name
        first.__qualname__ = f"{self.cls.__qualname__}.{name}"
        return first

    def facts(self) -> Mapping[str, Any]:
        """What the functions of `dataclasses` read: the fields, and the options."""
        template = self._template()
        found = {name: template.__dict__[name] for name in _FACTS}
        for name in ("frozen", "repr", "eq"):
            usual = name != "frozen"
            value = self.options.get(name, usual)
            setattr(found["__dataclass_params__"], name, value)
        return found

    def _standard(self, name: str) -> Any:
        """A method as the standard library makes it."""
        return self._template(**_ONLY[name]).__dict__[name]

    def _template(self, **options: bool) -> Any:
        """A class of the standard library with the same fields, and few methods."""
        space = {"__annotations__": self.annotations, **self.defaults}
        names = {
            "__module__": self.cls.__module__,
            "__qualname__": self.cls.__qualname__,
        }
        # Without a docstring, the standard library writes one from the signature.
        space |= {**names, "__doc__": self.cls.__name__}
        template = type(self.cls.__name__, (), space)
        return dataclasses.dataclass(**(_NO_METHODS | options))(template)

    def _init(self, name: str) -> Any:
        """`__init__`, in the order of the fields."""
        arguments, lines, known = ["self"], [], {"_set": _set}
        frozen = self.options.get("frozen", False)
        for field in self.annotations:
            value = self._argument(field, arguments, known)
            if not value:
                continue
            line = f"self.{field} = {value}"
            if frozen:
                line = f"_set(self, {field!r}, {value})"
            lines.append(line)
        if hasattr(self.cls, "__post_init__"):
            lines.append("self.__post_init__()")
        body = "\n ".join(lines or ["pass"])
        made: dict[str, Any] = {}
        exec(f"def {name}({', '.join(arguments)}):\n {body}", known, made)  # noqa: S102
        method = made[name]
        method.__qualname__ = f"{self.cls.__qualname__}.{name}"
        method.__module__ = self.cls.__module__
        return method

    def _argument(self, field: str, arguments: list[str], known: dict[str, Any]) -> str:
        """The expression of a field's value; adds its argument, and what its default needs."""
        default: Any = self.defaults.get(field, dataclasses.MISSING)
        factory: Any = dataclasses.MISSING
        if isinstance(default, dataclasses.Field):
            default, factory = default.default, default.default_factory
        is_given = self._is_given(field)
        known[f"_default_{field}"] = (
            default if factory is dataclasses.MISSING else factory
        )
        if factory is not dataclasses.MISSING:
            known["_missing"] = dataclasses.MISSING
            made = f"_default_{field}()"
            if not is_given:
                return made
            arguments.append(f"{field}=_missing")
            return f"{made} if {field} is _missing else {field}"
        if default is dataclasses.MISSING:
            if is_given:
                arguments.append(field)
            return field if is_given else ""
        if not is_given:
            return f"_default_{field}"
        arguments.append(f"{field}=_default_{field}")
        return field


class _Fact:
    """What the functions of `dataclasses` read of a class; made when they do."""

    __slots__ = ("_definition", "_name")

    def __init__(self, definition: _Definition, name: str) -> None:
        self._definition, self._name = definition, name

    def __get__(self, instance: object, owner: type) -> Any:
        made = self._definition.facts()
        for name in _FACTS:
            setattr(self._definition.cls, name, made[name])
        return made[self._name]


def _refuse_change(_self: object, name: str, _value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in type(self).__slots__]


def _take_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(type(self).__slots__, state, strict=True):
        _set(self, name, value)


_FROZEN: Final = {
    "__setattr__": _refuse_change,
    "__delattr__": _refuse_deletion,
    "__getstate__": _state,
    "__setstate__": _take_state,
}
"""The same methods in all classes that do not change."""
