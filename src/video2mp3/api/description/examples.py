"""Examples of bodies and parameters, composed from their schemas, so that they have the same fields."""

from collections.abc import Mapping
from typing import Any

_ID = "6d0f6a1be1b44a7e9c1f0a5f3c2d7e81"
_PASSWORD = "correct horse battery staple"  # noqa: S105 - nobody's
_UPLOAD_ID = "9a4c2f1d0b3e4c5d8e7f6a5b4c3d2e1f"
_LINK_TOKEN = "ZhalMMJCQqmHz4ZxTMK7YAAAAABrFWPsAAAAAOoaZux-2e1iJUKfUTUbjiX9"  # noqa: S105 - nobody's
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_TIME = "2026-01-31T12:00:00Z"
_NAMES: Mapping[str, Any] = {
    "fid": _ID,
    "user": _ID,
    "upload_id": _UPLOAD_ID,
    "video_id": _UPLOAD_ID,
    "username": "ada",
    "password": _PASSWORD,
    "current_password": _PASSWORD,
    "new_password": "another horse battery staple",
    "token": "Yq0c8p2nV1s",
    "refresh_token": "r1.8hJ2mQ",
    "signature": "b9cV4hZ1",
    "email": "ada@example.org",
    "name": "talk.mp4",
    "url": "https://example.org/talk.mp4",
    "events": ["conversion.finished", "conversion.failed"],
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "sha256": _SHA256,
    "media_type": "audio/mpeg",
    "state": "finished",
    "priority": "normal",
    "counts": {"finished": 2},
    "created_at": "2026-01-31T12:00:00Z",
    "started_at": "2026-01-31T12:00:01Z",
    "ended_at": "2026-01-31T12:00:24Z",
    "expires_at": "2026-02-07T12:00:24Z",
    "percent": 100,
    "tag": "monday",
    "options": {"bitrate_kbps": 128, "title": "A talk"},
    "size_bytes": 104857600,
    "duration_s": 3600.0,
    "scopes": ["read", "convert"],
}
"""Values by the names of fields and parameters, where a schema allows them."""
_PATH = f"/v1/conversions/{_ID}"
_FIELDS: Mapping[tuple[str, str], Any] = {
    ("Links", "self"): _PATH,
    **{
        ("Links", name): f"{_PATH}/{name}"
        for name in ("events", "mp3", "waveform", "source", "report", "links", "retry")
    },
    ("Link", "page_url"): f"https://mp3.example.org/share/{_LINK_TOKEN}",
    ("Link", "url"): f"https://mp3.example.org/v1/shared/{_LINK_TOKEN}/mp3",
    ("Result", "url"): f"{_PATH}/mp3",
    ("Result", "size_bytes"): 57600000,
    ("ApiKey", "name"): "my program",
    ("CreatedApiKey", "name"): "my program",
    ("NewApiKey", "name"): "my program",
}
"""Values by model and field, where the field's name alone means something else elsewhere."""
_NULL = {"error", "errors", "segments", "blocked_reason", "batch_id", "cover_upload_id", "result_url", "disabled_at"}
"""Fields that are null in an example, where their schema allows it: the example is one of success."""
_REQUESTS: Mapping[str, dict[str, Any]] = {
    "changeOwnAccount": {"email_notifications": True},
    "changeUser": {"disabled": True},
    "createBatch": {"items": [{"upload_id": _UPLOAD_ID}, {"source": {"url": "https://example.org/talk.mp4"}}]},
    "createConversion": {"upload_id": _UPLOAD_ID, "options": {"bitrate_kbps": 128, "title": "A talk"}},
    "changeOwnPassword": {"current_password": _PASSWORD, "new_password": "another horse battery staple"},
    "deleteOwnAccount": {"password": _PASSWORD},
    "createApiKey": {"name": "my program", "scopes": ["convert"]},
    "createWebhook": {"url": "https://example.org/hook", "events": ["conversion.finished", "conversion.failed"]},
    "previewSplit": {"upload_id": _UPLOAD_ID, "options": {"split": "chapters"}},
    "requestPasswordReset": {"username": "ada"},
}
"""Bodies of requests whose schema requires too few fields to be an example."""
_STRINGS = {"date-time": _TIME, "password": _PASSWORD, "uri-reference": "/docs#not_found"}


class Examples:
    """Composes examples of the schemas of one description."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def request(self, operation_id: str, schema: dict[str, Any]) -> Any:
        """Returns a body for the operation: its required fields, with values by which it can be recognized."""
        return _REQUESTS.get(operation_id) or self.of(schema, only_required=True)

    def of(self, schema: dict[str, Any], name: str = "", *, only_required: bool = False) -> Any:
        """Returns a value that the schema allows; `name` is that of the field or the parameter."""
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
        if name in _NULL and len(kinds) < len(schema.get("anyOf", [])):
            return None
        kind = self._schemas[kinds[0]["$ref"].rpartition("/")[2]] if "$ref" in kinds[0] else kinds[0]
        allowed = kind.get("enum", [kind["const"]] if "const" in kind else None)
        if allowed is not None:
            return _NAMES[name] if _NAMES.get(name) in allowed else schema.get("default") or allowed[0]
        value = _NAMES.get(name, _ID if name == "id" or name.endswith("_id") else None)
        if _is_a(kind.get("type"), value):
            return value
        return schema.get("default") or self._by_type(kind, name, only_required=only_required)

    def _by_type(self, schema: dict[str, Any], name: str, *, only_required: bool) -> Any:
        if schema.get("type") == "object":
            fields = schema.get("required", []) if only_required else schema.get("properties", {})
            model = schema.get("title", "")
            return {
                field: _FIELDS.get((model, field))
                or self.of(schema["properties"][field], field, only_required=only_required)
                for field in fields
            }
        if schema.get("type") == "array":
            return [self.of(schema.get("items", {}), name, only_required=only_required)]
        if schema.get("type") == "string":
            return _STRINGS.get(schema.get("format", ""), "text")
        return {"integer": schema.get("minimum", 1), "number": 1.0, "boolean": True}.get(schema.get("type", ""), {})


def _is_a(kind: str | None, value: Any) -> bool:
    names = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict}
    return kind in names and isinstance(value, names[kind])  # type: ignore[arg-type]  # a class or several
