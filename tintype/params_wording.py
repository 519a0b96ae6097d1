"""What is wrong in params.yaml, in words: derived from the JSON schema of the classes in `params.py`."""

import difflib
import json
import reprlib
from collections.abc import Iterable

_MISSING = object()
NAME = "small letters, digits, _ and -"  # of a model
_KINDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_LIMITS = {
    "minimum": "of at least",
    "exclusiveMinimum": "greater than",
    "maximum": "of at most",
    "exclusiveMaximum": "less than",
}


def explain(error: dict, tree: dict, schema: dict) -> tuple[str, str]:
    """One of pydantic's errors, as the key's dotted path and what is the matter there."""
    path, value, node, above = [], tree, schema, schema
    for step in error["loc"]:
        choices = node.get("discriminator", {}).get("mapping", {})
        several = [] if choices else [_resolved(one, schema) for one in node.get("oneOf", [])]
        if step in choices:  # pydantic names the objective here, the file does not
            chosen = choices[step]
            node = _resolved({"$ref": chosen}, schema) if isinstance(chosen, str) else chosen
        elif several:  # here it names the key that only one of them has
            node = next(one for one in several if step in one["properties"])
        elif isinstance(value, dict) and step != "[key]":  # a list, though, is shown as a whole
            # A section that may be null is one of several.
            node = next((_resolved(one, schema) for one in node.get("anyOf", []) if "$ref" in one), node)
            if not node.keys() & {"properties", "additionalProperties"}:
                continue  # pydantic names which kind of value it tried; the file has a mapping instead
            path.append(str(step))
            value, above = value.get(step, _MISSING), node
            below = node.get("properties", {}).get(step) or node.get("additionalProperties") or {}
            node = _resolved(below, schema)
    if error["type"].startswith("union_tag"):
        path.append(node["discriminator"]["propertyName"])
        value = error["input"].get(path[-1], _MISSING)
        node = {"enum": list(node["discriminator"]["mapping"])}
    names = above.get("propertyNames", {})
    if error["loc"][-1] == "[key]" and "enum" in names:
        problem = unknown(error["input"], names["enum"])
    elif error["type"] in ("extra_forbidden", "invalid_key"):
        problem = unknown(path[-1], above["properties"])
    elif error["loc"][-1] == "[key]":
        problem = found(error["input"], f"{NAME} (in quotes, if all are digits)")
    elif value is _MISSING:
        problem = f"missing, allowed: {allowed(node, schema)}"
    else:
        problem = found(value, allowed(node, schema))
    return ".".join(path), problem


def _resolved(node: dict, schema: dict) -> dict:
    return schema["$defs"][node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node


def allowed(node: dict, schema: dict) -> str:
    """What a node of the JSON schema allows, in words."""
    match _resolved(node, schema):
        case {"anyOf": choices}:
            return " or ".join(allowed(choice, schema) for choice in choices)
        case {"enum": choices}:
            return f"one of {', '.join(map(str, choices))}"
        case {"const": value}:
            return str(value)
        case {"minLength": 1}:
            return "non-empty text"
        case {"minimum": low, "maximum": high, "type": kind}:
            return f"{_KINDS[kind]} from {low} to {high}"
        case {"prefixItems": items}:
            return f"a list of {len(items)}, each {allowed(items[0], schema)}"
        case {"items": item, "minItems": least}:
            return f"a list of at least {least}, each {allowed(item, schema)}"
        case {"properties": keys}:
            return f"a mapping with the keys {', '.join(keys)}"
        case {"discriminator": {"propertyName": key, "mapping": choices}}:
            return f"a mapping whose {key} is one of {', '.join(choices)}"
        case {"additionalProperties": True}:
            return "a mapping"
        case {"additionalProperties": entry, "minProperties": least}:
            return f"a mapping from names, at least {least}, to {allowed(entry, schema)}"
        case {"additionalProperties": entry}:
            return f"a mapping from names to {allowed(entry, schema)}"
    limits = [f"{phrase} {node[limit]}" for limit, phrase in _LIMITS.items() if limit in node]
    return " ".join([_KINDS.get(node["type"], node["type"]), " and ".join(limits)]).strip()


def found(value: object, allowed: str) -> str:
    """What was found, and what is allowed instead."""
    plain = value is None or isinstance(value, bool | str)
    shown = json.dumps(value, ensure_ascii=False)[:80] if plain else reprlib.repr(value)
    return f"found {shown}, allowed: {allowed}"


def unknown(key: object, allowed: Iterable[str]) -> str:
    """That a key is unknown, the keys that are not, and which may have been meant."""
    close = difflib.get_close_matches(str(key), allowed, n=1, cutoff=0.7)
    guess = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown key, allowed here: {', '.join(allowed)}{guess}"
