"""The JSON schema of the configuration: its defaults are filled in, and what does not hold is told in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from viddiff.errors import InputError, unknown

if TYPE_CHECKING:  # jobs, whose configuration was checked when they were planned, do not wait for it
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}


@cache
def _validator() -> type[Validator]:
    """JSON takes 8.0 for a whole number; who counts with it does not. It has no NaN and infinity, but YAML does."""
    from jsonschema import Draft202012Validator, validators

    types = {
        "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda _, value: (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        ),
    }
    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(types)
    return validators.extend(Draft202012Validator, type_checker=checker)


def check_schema(config: Any, schema: Mapping[str, Any]) -> None:
    """Raise `InputError` for the first key that is unknown, missing or wrong, as the schema says."""
    errors = sorted(_validator()(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise InputError(_describe(errors[0]))


def fill_defaults(value: Any, schema: Mapping[str, Any]) -> None:
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if value.get(key) is None and "default" in part:
                value[key] = json.loads(json.dumps(part["default"]))
            fill_defaults(value.get(key), part)
    elif isinstance(value, list):
        for item in value:
            fill_defaults(item, schema.get("items", {}))


def _describe(error: ValidationError) -> str:
    key = key_name(error.absolute_path)
    found: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    where = f"config key {key}" if key else "the config"
    match error.validator:
        case "additionalProperties":
            allowed = sorted(schema["properties"])
            name = next(name for name in sorted(map(str, found)) if name not in allowed)
            return str(unknown(f"config key {f'{key}.' if key else ''}{name}", name, allowed))
        case "required":
            missing = next(name for name in wanted if name not in found)
            return f"{where} lacks {missing}, which must be given"
        case "type":
            if isinstance(wanted, list) and "pattern" in schema and "null" not in wanted:
                return f"{where} is {shortened(found)}, must be {schema['description']}"
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"{where} is {shortened(found)}, must be {' or '.join(_NAMES[kind] for kind in kinds)}"
        case "enum":
            return f"{where} is {shortened(found)}, must be one of {', '.join(map(str, wanted))}"
        case "maximum":
            return f"{where} is {shortened(found)}, must be {wanted} at most"
        case "minimum":
            return f"{where} is {shortened(found)}, must be {wanted} at least"
        case "minItems":
            return f"{where} is empty, must have {wanted} entry at least"
        case "uniqueItems":
            return f"{where} names something twice: {shortened(found)}"
        case "pattern" if "propertyNames" in error.schema_path:
            return f"{where} has the key {shortened(found)}, must be {schema['description']}"
        case "pattern":
            return f"{where} is {shortened(found)}, must be {schema['description']}"
    return f"{where} is {shortened(found)}, {error.validator} must hold: {shortened(wanted)}"


def key_name(path: Iterable[str | int]) -> str:
    """`grid[0].modes` of a path of keys and positions."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def shortened(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
