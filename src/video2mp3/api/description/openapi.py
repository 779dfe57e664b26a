"""Completes what the framework makes of the routes: names, groups, servers, errors, examples, commands."""

import json
import re
from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute

from video2mp3.api.auth.scopes import NEEDS
from video2mp3.api.conversions.option_parsing import OPTION_NAMES
from video2mp3.api.description.curl import command
from video2mp3.api.description.errors import COMMON, errors_of, problem_example
from video2mp3.api.description.examples import Examples
from video2mp3.api.description.groups import GROUPS, V0
from video2mp3.api.description.texts import SERVER
from video2mp3.api.frame.problems import MEDIA_TYPE
from video2mp3.api.frame.schemas import Problem
from video2mp3.errors import Video2mp3Error

_SCHEMA = "#/components/schemas/{model}"
_PROBLEM = {"$ref": _SCHEMA.format(model="Problem")}
_SECURITY = {
    "HTTPBearer": "An access token from `POST /v1/sessions`, or an API key from `POST /v1/api-keys`.",
    "APIKeyCookie": "The browser's session.",
    "HTTPBasic": "Name and password, for the v0 API.",
}


SIGNATURE = "Verify `webhook-signature` with a library of [Standard Webhooks](https://www.standardwebhooks.com)."
RECEIVED = "Received. After any other answer, and after 15 s without one, the service tries again for 24 hours."


def operation_id(route: APIRoute) -> str:
    """Returns the name that generated clients give to a route's method: `create_conversion` is `createConversion`."""
    first, *others = f"v0_{route.name}".split("_") if V0 in route.tags else route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


def complete(schema: dict[str, Any], server: str) -> dict[str, Any]:
    """Returns the framework's description completed; `server` is the service's address without a slash at its end."""
    schema = _with_short_names(schema)
    schemas = schema["components"]["schemas"]
    described = Problem.model_json_schema(ref_template=_SCHEMA)
    schemas |= described.pop("$defs") | {"Problem": described}
    _name_models(schema, schemas)
    examples = Examples(schemas)
    schema["servers"] = [{"url": server, "description": "This service"}]
    schema["tags"] = [{"name": name, "description": text} for name, text in GROUPS.items()]
    schema["paths"] = dict(sorted(schema["paths"].items(), key=_place))
    for path, method, operation in _operations(schema["paths"]):
        _summarize(operation)
        operation["x-needs"] = NEEDS.get(f"{method.upper()} {path}", "account")
        _add_examples(operation, examples)
        sample = command(server, method, path, operation, examples)
        operation["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": sample}]
        _add_errors(method, path, operation)
    for _, _, operation in _operations(schema["webhooks"]):
        _summarize(operation)
        operation["description"] += f"\n\n{SIGNATURE}"
        operation["responses"] = {"2XX": {"description": RECEIVED}}
        _add_examples(operation, examples)
    for name, text in _SECURITY.items():
        schema["components"]["securitySchemes"][name]["description"] = text
    schema["components"]["examples"] = {
        error.code: {"summary": error.code, "value": problem_example(error)} for error in _used_errors(schema)
    }
    common = ", ".join(f"`{error.code}` ({error.status})" for error in COMMON)
    schema["info"]["description"] = schema["info"]["description"].replace(SERVER, server).replace("{common}", common)
    return schema


def _with_short_names(schema: dict[str, Any]) -> dict[str, Any]:
    """Drops what the names of the models say about Python, and marks that make generators write each model twice."""
    text = re.sub(r'"(#/components/schemas/)?(\w+)JSON"', r'"\1\2"', json.dumps(schema))
    found: dict[str, Any] = json.loads(text.replace(', "writeOnly": true', "").replace('"writeOnly": true, ', ""))
    return found


def _name_models(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Moves models out of the routes, so that clients get types with names."""
    content = schema["paths"]["/v1/conversions"]["post"]["requestBody"]["content"]["application/json"]
    schemas["ConversionRequest"] = content["schema"]
    content["schema"] = {"$ref": _SCHEMA.format(model="ConversionRequest")}
    options = {"$ref": _SCHEMA.format(model="ConversionOptions")}
    for model in list(schemas.values()):
        fields = model.get("properties", {})
        if fields.get("options", {}).get("properties", {}).keys() >= OPTION_NAMES:
            schemas["ConversionOptions"] = {**fields["options"], "title": "ConversionOptions"}
            fields["options"] = options
    schemas["Conversion"]["properties"]["options"] = options


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            yield path, method, operation


def _place(item: tuple[str, dict[str, Any]]) -> tuple[int, bool]:
    """Returns by what paths are sorted; two routes have to come before others, but are the last to be used."""
    path, operations = item
    group = next(iter(operations.values()))["tags"][0]
    return list(GROUPS).index(group), path.endswith(("/archive", "/conversions/events"))


def _summarize(operation: dict[str, Any]) -> None:
    """Makes the first sentence of the description the summary; the framework's is the name of the function."""
    text = " ".join(operation.get("description", "").partition("\n\n")[0].split())
    operation["summary"] = re.split(r"\.(?: |$)", text)[0]


def _add_examples(operation: dict[str, Any], examples: Examples) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        body["example"] = examples.request(operation["operationId"], body["schema"])
    for parameter in operation.get("parameters", []):
        if parameter.get("required"):
            parameter["example"] = examples.of(parameter["schema"], parameter["name"])
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content and content["schema"]:
            content["example"] = examples.of(content["schema"])


def _add_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    by_status: dict[int, list[type[Video2mp3Error]]] = {}
    for error in errors_of(method, path, operation):
        by_status.setdefault(error.status, []).append(error)
    for status, errors in sorted(by_status.items()):
        named = {error.code: {"$ref": f"#/components/examples/{error.code}"} for error in errors}
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in named),
            "content": {MEDIA_TYPE: {"schema": _PROBLEM, "examples": named}},
        }
    content = {MEDIA_TYPE: {"schema": _PROBLEM}}
    responses["4XX"] = {"description": "The request cannot be served as it is.", "content": content}
    responses["5XX"] = {"description": "The service failed, or is not ready.", "content": content}


def _used_errors(schema: dict[str, Any]) -> list[type[Video2mp3Error]]:
    used = [
        error
        for path, method, operation in _operations(schema["paths"])
        for error in errors_of(method, path, operation)
    ]
    return sorted(dict.fromkeys(used), key=lambda error: (error.status, error.code))
