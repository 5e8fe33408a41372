"""Protobuf bytes from the JSON form of messages: the renderers' dictionaries. For `encode.py`.

Messages of protobuf's Python classes are slow to fill: each field is an object of its own. Here the
bytes are joined, by a plan that is made once for each type. It reads what renderers write (names,
numbers, texts, booleans, names of enums, durations); anything else is `Unusual`, and `ParseDict`
decides. The bytes are those of protobuf's deterministic form: fields by number, maps by key.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from importlib import import_module
from pkgutil import iter_modules
from threading import Lock
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.duration_pb2 import Duration

from kapi.gateway.envoy.stream.schema import BOOLEANS_OF_ENVOY

_SECONDS = re.compile(r"\d{1,9}s")
_WELL_KNOWN = "type.googleapis.com/google.protobuf."
"""Messages of these types have a JSON form of their own, in the member `value` of an `Any`."""
_VARINT, _SIZED = 0, 2
_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(1 << 31), 1 << 31),
    FieldDescriptor.TYPE_INT64: (-(1 << 63), 1 << 63),
    FieldDescriptor.TYPE_UINT32: (0, 1 << 32),
    FieldDescriptor.TYPE_UINT64: (0, 1 << 64),
}
_REALS = {FieldDescriptor.TYPE_DOUBLE: (1, "<d"), FieldDescriptor.TYPE_FLOAT: (5, "<f")}
"""Wire type and form."""
_WRAPPERS = {
    f"google.protobuf.{name}Value"
    for name in (
        "Bool",
        "Int32",
        "Int64",
        "UInt32",
        "UInt64",
        "Float",
        "Double",
        "String",
    )
}
_IMPORTING = Lock()
Writer = Callable[[Any], bytes]
"""The bytes of a value: of the fields of a message, or of a field with its tag."""


class Unusual(Exception):
    """A value that is not read here."""


class _Field(NamedTuple):
    number: int
    oneof: str
    """The name of its group, of which one field can be there; or empty."""
    name: str
    write: Writer


def message_bytes(descriptor: Descriptor, value: Any) -> bytes:
    """The bytes of a message of this type. Raises Unusual, or what Python raises for the value."""
    return _message(descriptor)(value)


def import_messages(type_url: str) -> None:
    """Import the module of a message: protobuf finds it by its name only then."""
    # One thread at a time: of two that wait for each other's modules, Python gives one a module
    # that is not complete.
    with _IMPORTING:
        _import_package(type_url.rpartition("/")[2].rpartition(".")[0])


@cache
def _import_package(package: str) -> None:
    if package.startswith("google."):
        return
    for module in iter_modules(import_module(package).__path__):
        if module.name.endswith("_pb2"):
            import_module(f"{package}.{module.name}")


@cache
def _message(descriptor: Descriptor) -> Writer:
    """Writes the fields of a message."""
    name = descriptor.full_name
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in _WRAPPERS:
        return _field(descriptor.fields_by_name["value"])
    if name.startswith("google.protobuf."):
        raise Unusual(name)
    plan = _Plan(descriptor)

    def write(value: Any) -> bytes:
        if type(value) is not dict:
            raise Unusual(name)
        found = b""
        for key, write_field in plan[tuple(value)]:
            found += write_field(value[key])
        return found

    return write


class _Plan(dict[tuple[str, ...], list[tuple[str, Writer]]]):
    """How messages of a type are written, by the names of the fields that they have."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor

    def __missing__(self, names: tuple[str, ...]) -> list[tuple[str, Writer]]:
        found = self[names] = _ordered(self._descriptor, names)
        return found


def _ordered(
    descriptor: Descriptor, names: tuple[str, ...]
) -> list[tuple[str, Writer]]:
    """The fields of a message that has these, by number; each with its name in the JSON form."""
    known = _fields(descriptor)
    rows = sorted(
        ((known[name], name) for name in names), key=lambda row: row[0].number
    )
    groups = [field.oneof or field.name for field, _ in rows]
    if len(set(groups)) < len(groups):
        raise Unusual("two fields of which one can be there")
    return [(name, field.write) for field, name in rows]


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, _Field]:
    found = {}
    for field in descriptor.fields:
        oneof = ""
        if field.containing_oneof is not None:
            oneof = f"oneof {field.containing_oneof.name}"
        row = _Field(field.number, oneof, field.name, _field(field))
        found[field.name] = found[field.json_name] = row
    for name, number in BOOLEANS_OF_ENVOY.get(descriptor.full_name, {}).items():
        write = partial(_truth, _tag(number, _VARINT), presence=False)
        found.setdefault(name, _Field(number, "", name, write))
    return found


def _field(field: FieldDescriptor) -> Writer:
    """A field of a message, with its tag; nothing for a value that is the default."""
    message_type = field.message_type
    if message_type is not None and message_type.GetOptions().map_entry:
        return _map(field.number, message_type.fields_by_name["value"])
    if field.is_repeated:
        return _repeated(field)
    if message_type is not None:
        return _inner(field.number, message_type)
    return _scalar(field, presence=field.has_presence)


def _inner(number: int, message_type: Descriptor) -> Writer:
    """Writes a message as a field of another."""
    tag = _tag(number, _SIZED)
    if message_type.full_name.startswith("google.protobuf."):
        return partial(_sized, tag, message_type)
    plan = _Plan(message_type)

    def write_message(value: Any) -> bytes:
        # As in `_message`: a call less for each is a tenth of the whole.
        if type(value) is not dict:
            raise Unusual(message_type.full_name)
        found = b""
        for key, write_field in plan[tuple(value)]:
            found += write_field(value[key])
        return tag + _SIZES[len(found)] + found

    return write_message


def _sized(tag: bytes, message_type: Descriptor, value: Any) -> bytes:
    content = _message(message_type)(value)
    return tag + _SIZES[len(content)] + content


def _repeated(field: FieldDescriptor) -> Writer:
    message_type = field.message_type
    if message_type is not None:
        write = _inner(field.number, message_type)
    else:
        write = _scalar(field, presence=True)
    if field.is_packed:
        return _packed(field.number, write)

    def write_items(value: Any) -> bytes:
        if not isinstance(value, list | tuple):
            raise Unusual(field.name)
        return b"".join(map(write, value))

    return write_items


def _packed(number: int, write: Writer) -> Writer:
    tag, own = _tag(number, _SIZED), len(_tag(number, _VARINT))

    def write_items(value: Any) -> bytes:
        content = b"".join([write(item)[own:] for item in value])
        return tag + _SIZES[len(content)] + content if content else b""

    return write_items


def _map(number: int, values: FieldDescriptor) -> Writer:
    tag = _tag(number, _SIZED)
    message_type = values.message_type
    if message_type is None:
        return _unusual
    write_value = _inner(values.number, message_type)

    def write_map(value: Any) -> bytes:
        found = []
        for key in sorted(value):
            entry = _FIRST + _TEXTS[key] + write_value(value[key])
            found.append(tag + _SIZES[len(entry)] + entry)
        return b"".join(found)

    return write_map


def _scalar(field: FieldDescriptor, *, presence: bool) -> Writer:
    """`presence`: the field is written also with its default value."""
    kind = field.type
    if kind == FieldDescriptor.TYPE_STRING:
        return _text(field.number, presence=presence)
    if kind == FieldDescriptor.TYPE_BOOL:
        return partial(_truth, _tag(field.number, _VARINT), presence=presence)
    if kind in _RANGES:
        return partial(
            _integer, _tag(field.number, _VARINT), _RANGES[kind], presence=presence
        )
    if kind in _REALS:
        wire, form = _REALS[kind]
        return partial(_real, _tag(field.number, wire), form, presence=presence)
    if field.enum_type is None:
        return _unusual
    found = {}
    for item in field.enum_type.values:
        content = _tag(field.number, _VARINT) + _varint(item.number)
        found[item.name] = content
        if not presence and not item.number:
            found[item.name] = b""
    return found.__getitem__


def _text(number: int, *, presence: bool) -> Writer:
    tag = _tag(number, _SIZED)

    def write_text(value: Any) -> bytes:
        if type(value) is not str:
            raise Unusual("text")
        return tag + _TEXTS[value] if value or presence else b""

    return write_text


def _truth(tag: bytes, value: Any, *, presence: bool) -> bytes:
    if type(value) is not bool:
        raise Unusual("boolean")
    if value:
        return tag + b"\x01"
    return tag + b"\x00" if presence else b""


def _integer(
    tag: bytes, allowed: tuple[int, int], value: Any, *, presence: bool
) -> bytes:
    if type(value) is not int or not allowed[0] <= value < allowed[1]:
        raise Unusual("integer")
    return tag + _varint(value) if value or presence else b""


def _real(tag: bytes, form: str, value: Any, *, presence: bool) -> bytes:
    if type(value) not in {int, float}:
        raise Unusual("number")
    return tag + struct.pack(form, value) if value or presence else b""


def _unusual(value: Any) -> bytes:
    raise Unusual(type(value).__name__)


def _varint(number: int) -> bytes:
    """An integer in base 128, negative ones as 64 bits (protobuf's encoding, "Varints")."""
    left = number & 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


class _Sizes(dict[int, bytes]):
    """Lengths as they are written; small ones are kept."""

    def __missing__(self, length: int) -> bytes:
        return _varint(length)


class _Texts(dict[str, bytes]):
    """Texts with their lengths. Short ones are kept: most are names that each API has again."""

    def __missing__(self, text: str) -> bytes:
        content = text.encode()
        found = _SIZES[len(content)] + content
        if len(content) <= _SHORT and len(self) < _KEPT:
            self[text] = found
        return found


_SHORT, _KEPT = 80, 2048
_SIZES = _Sizes((length, _varint(length)) for length in range(1024))
_TEXTS = _Texts()


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _any(value: Any) -> bytes:
    if value == {}:
        return b""
    fields = value.copy()
    type_url = fields.pop("@type")
    if fields == _DISABLED:
        return _disabled(type_url)
    return _any_of(type_url, fields)


_DISABLED = {"disabled": True}
"""Most configurations of filters on a route are this."""


@cache
def _disabled(type_url: str) -> bytes:
    return _any_of(type_url, _DISABLED)


def _any_of(type_url: str, fields: dict[str, Any]) -> bytes:
    content = _named(type_url)(
        fields["value"] if type_url.startswith(_WELL_KNOWN) else fields
    )
    found = _FIRST + _TEXTS[type_url]
    if content:
        found += _CONTENT + _SIZES[len(content)] + content
    return found


@cache
def _named(type_url: str) -> Writer:
    import_messages(type_url)
    return _message(Default().FindMessageTypeByName(type_url.rpartition("/")[2]))


def _duration(value: Any) -> bytes:
    if _SECONDS.fullmatch(value):
        return _whole_seconds(value)
    found = Duration()
    found.FromJsonString(value)
    return bytes(found.SerializeToString())


@lru_cache(maxsize=256)
def _whole_seconds(value: str) -> bytes:
    seconds = int(value[:-1])
    return _tag(1, _VARINT) + _varint(seconds) if seconds else b""


def _struct(value: Any) -> bytes:
    found = []
    for key in sorted(value):
        content = _value(value[key])
        entry = _FIRST + _TEXTS[key] + _CONTENT + _SIZES[len(content)] + content
        found.append(_FIRST + _SIZES[len(entry)] + entry)
    return b"".join(found)


def _list(value: Any) -> bytes:
    if not isinstance(value, list | tuple):
        raise Unusual("list")
    contents = map(_value, value)
    return b"".join([_FIRST + _SIZES[len(content)] + content for content in contents])


def _value(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        return _STRING + _TEXTS[value]
    if kind is bool:
        return b"\x20\x01" if value else b"\x20\x00"
    if kind is int or kind is float:
        return b"\x11" + struct.pack("<d", value)
    if kind is dict:
        content = _struct(value)
        return b"\x2a" + _SIZES[len(content)] + content
    content = _list(value)
    return b"\x32" + _SIZES[len(content)] + content


_FIRST, _CONTENT, _STRING = _tag(1, _SIZED), _tag(2, _SIZED), _tag(3, _SIZED)
_SPECIAL: Mapping[str, Writer] = {
    "google.protobuf.Any": _any,
    "google.protobuf.Duration": _duration,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Value": _value,
}
