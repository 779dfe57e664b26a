"""What schemathesis is told about this service: how to sign in, valid requests, ids that there are; and a count."""

import base64
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import schemathesis

FACTS = json.loads(Path(os.environ["DESCRIBED_FACTS"]).read_text())
ANSWERS = Path(os.environ["DESCRIBED_ANSWERS"])
_ID = re.compile(r"[0-9a-f]{32}")
_random = random.Random(1)


def _authorization(path: str) -> str:
    basic = base64.b64encode(f"{FACTS['username']}:{FACTS['password']}".encode()).decode()
    return f"Basic {basic}" if path == "/login" else f"Bearer {FACTS['token']}"


@schemathesis.auth(refresh_interval=None)
class Auth:
    """Signs every request in, as the route wants it."""

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        return _authorization(case.operation.path)

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = data


@schemathesis.serializer("application/offset+octet-stream")
def serialize_bytes(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def before_add_examples(context: schemathesis.HookContext, examples: list[schemathesis.Case[Any]]) -> None:
    operation = context.operation
    assert operation is not None
    # The description's own examples name what there is not; tests/api/test_description.py sends them.
    examples.clear()
    for found in FACTS["examples"].get(f"{operation.method.upper()} {operation.path}", []):
        body = found.get("body")
        if "base64" in found:
            body = base64.b64decode(found["base64"])
        elif "form" in found:
            body = {"file": base64.b64decode(found["form"])}
        given: dict[str, Any] = {} if body is None else {"body": body, "media_type": found["media_type"]}
        # Examples are sent as they are.
        headers = found["headers"] | {"Authorization": _authorization(operation.path)}
        examples.append(operation.Case(path_parameters=found["path"], query=found["query"], headers=headers, **given))


@schemathesis.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Names what there is in every second request."""
    for name in path_parameters or {}:
        known = FACTS["ids"].get(name)
        if known and _random.random() < 0.5:
            path_parameters[name] = _random.choice(known)
    return path_parameters


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    with ANSWERS.open("a") as out:
        out.write(f"{case.operation.method.upper()} {case.operation.path} {response.status_code}\n")
