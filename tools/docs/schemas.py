"""msgspec types as JSON Schema 2020-12, with the bounds that libs/contracts/bounds.py documents.

msgspec's own generator fails on Raw defaults, describes decimals as text only, and cannot describe fields
that a response leaves out, so the few types that the contracts use are converted here.
"""

import inspect
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias, get_type_hints

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.inspect import Type

from libs.contracts.api import Request, Response
from libs.contracts.bounds import BOUNDS, TOGETHER, Schema
from libs.contracts.event_bounds import EVENT_BOUNDS
from libs.contracts.events import Event
from libs.contracts.numbers import Exact, Money

Json: TypeAlias = dict[str, Any]

_PLAIN: Final[dict[type, Json]] = {
    msgspec.inspect.AnyType: {},
    msgspec.inspect.NoneType: {"type": "null"},
    msgspec.inspect.BoolType: {"type": "boolean"},
    msgspec.inspect.IntType: {"type": "integer"},
    msgspec.inspect.FloatType: {"type": "number"},
    msgspec.inspect.StrType: {"type": "string"},
    msgspec.inspect.RawType: {},
    msgspec.inspect.DateTimeType: {"type": "string", "format": "date-time"},
}
_NULL: Final = {"type": "null"}
_NUMBER: Final = {"type": "number"}
_NUMBER_OR_TEXT: Final = {"type": ["number", "string"]}


class SchemaCollector:
    """Converts types to schemas, and collects those of structs in `collected`, by name.

    `root` is the prefix of references; `overrides` are the schemas of fields with raw JSON; `closed`
    are the structs that allow no other fields, in addition to requests and responses.
    """

    def __init__(
        self,
        root: str,
        overrides: Mapping[tuple[type, str], Json] | None = None,
        closed: tuple[type, ...] = (),
    ) -> None:
        self._root = root
        self._overrides = overrides or {}
        self._closed = (Response, Request, *closed)
        self.collected: dict[str, Json] = {}

    def of(self, kind: Any) -> Json:
        """The schema of a type; for a struct, a reference to its collected schema."""
        return self._schema(msgspec.inspect.type_info(kind), owner=None)

    def ref(self, name: str) -> Json:
        """A reference to the collected schema `name`."""
        return {"$ref": f"{self._root}{name}"}

    def _schema(self, info: Type, *, owner: type | None) -> Json:
        schema: Json
        match info:
            case msgspec.inspect.Metadata():
                schema = self._schema(info.type, owner=owner)
            case msgspec.inspect.StructType():
                schema = self._struct(info)
            case msgspec.inspect.LiteralType(values=(only,)):
                schema = {"type": "string", "const": only}
            case msgspec.inspect.LiteralType(values=values):
                schema = {"type": "string", "enum": list(values)}
            case msgspec.inspect.CustomType(cls=cls) if cls in {Money, Exact}:
                schema = dict(_NUMBER_OR_TEXT)
            case msgspec.inspect.DecimalType():
                is_response = owner is not None and issubclass(owner, Response)
                schema = dict(_NUMBER if is_response else _NUMBER_OR_TEXT)
            case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
                schema = {"type": "array", "items": self._schema(info.item_type, owner=owner)}
            case msgspec.inspect.DictType():
                value_schema = self._schema(info.value_type, owner=owner)
                schema = {"type": "object", "additionalProperties": value_schema or True}
            case msgspec.inspect.UnionType():
                schema = _any_of([self._schema(each, owner=owner) for each in info.types])
            case _:
                schema = dict(_PLAIN[type(info)])
        return schema

    def _struct(self, info: msgspec.inspect.StructType) -> Json:
        kind = info.cls
        name = kind.__name__
        if name not in self.collected:
            self.collected[name] = {}
            self.collected[name] = self._object(kind, info)
        return self.ref(name)

    def _object(self, kind: type[Struct], info: msgspec.inspect.StructType) -> Json:
        hints = get_type_hints(kind, include_extras=True)
        fields = {
            field.encode_name: self._field(kind, hints[field.name], field) for field in info.fields
        }
        schema: Json = {"type": "object", "properties": fields, **TOGETHER.get(kind, {})}
        required = [field.encode_name for field in info.fields if field.required]
        if required:
            schema["required"] = required
        if issubclass(kind, self._closed):
            schema["additionalProperties"] = False
        if kind.__doc__ and kind.__doc__ != _inherited(kind):
            schema["description"] = " ".join(inspect.cleandoc(kind.__doc__).split())
        return schema

    def _field(self, kind: type[Struct], hint: Any, field: msgspec.inspect.Field) -> Json:
        if (kind, field.name) in self._overrides:
            return dict(self._overrides[kind, field.name])
        bound = {**_bound_of(kind, field.name), **_format(kind, field.name)}
        if "anyOf" in bound:
            return bound
        schemas = [
            self._schema(each, owner=kind)
            for each in _alternatives(msgspec.inspect.type_info(_without_unset(hint)))
        ]
        bounded = [
            schema if schema == _NULL else {**schema, **bound}
            for schema in schemas
            if schema != _NULL or not kind.__struct_config__.omit_defaults
        ]
        schema = _any_of(bounded)
        default = _default(field)
        return schema if default is None else {**schema, "default": default}


def _format(kind: type, name: str) -> Json:
    """The format of times, which responses and events write as text."""
    if not issubclass(kind, Response | Event):
        return {}
    if name.endswith("_at") or name == "member_since":
        return {"format": "date-time"}
    return {"format": "date"} if name == "date" else {}


def _bound_of(kind: type, name: str) -> Schema:
    """The bounds of a field, which its type does not express: of requests, and of the events of
    services."""
    bound = EVENT_BOUNDS.get(kind, {}).get(name)
    return BOUNDS.get(kind, {}).get(name, {}) if bound is None else bound.schema


def _alternatives(info: Type) -> tuple[Type, ...]:
    if isinstance(info, msgspec.inspect.Metadata):
        return _alternatives(info.type)
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _without_unset(hint: Any) -> Any:
    """The type without UNSET, which is never on the wire."""
    parts = getattr(hint, "__args__", ())
    if UnsetType not in parts:
        return hint
    rest = [part for part in parts if part is not UnsetType]
    kind = rest[0]
    for part in rest[1:]:
        kind |= part
    return kind


def _any_of(branches: list[Json]) -> Json:
    """A schema for any of the branches, as a list of types where they differ only in `type`."""
    branches = [part for branch in branches for part in _flatten(branch)]
    if len(branches) == 1:
        return branches[0]
    values = [branch for branch in branches if branch != _NULL]
    if len(values) == 1 and len(branches) == 2 and isinstance(values[0].get("type"), str):
        only = values[0]
        if not {"enum", "const", "anyOf"} & set(only):
            return {**only, "type": [only["type"], "null"]}
    if all(list(branch) == ["type"] and isinstance(branch["type"], str) for branch in branches):
        return {"type": [branch["type"] for branch in branches]}
    return {"anyOf": branches}


def _flatten(branch: Json) -> list[Json]:
    return branch["anyOf"] if list(branch) == ["anyOf"] else [branch]


def _default(field: msgspec.inspect.Field) -> Any:
    """The default to document, or None: a default of null or of no value is not documented."""
    default = field.default
    if isinstance(default, Raw) or default in {msgspec.NODEFAULT, UNSET, None}:
        return None
    return str(default) if isinstance(default, Decimal) else default


def _inherited(kind: type) -> str | None:
    return kind.__mro__[1].__doc__
