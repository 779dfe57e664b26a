"""The texts about the whole API: the introduction of its description, and /llms.txt."""

from collections.abc import Iterator
from typing import Any

TITLE = "video2mp3"
SERVER = "{server}"
"""Stands in texts and commands for the service's address."""

SUMMARY = "Converts video to MP3: send a file, or name a URL, and download the MP3."

_TOKEN = f"""\
```sh
TOKEN=$(curl -fsS {SERVER}/v1/sessions --json '{{"username": "ada", "password": "correct horse battery staple"}}' |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
```"""
_HERE = f"""\
On the machine that runs the service, one call is enough. The final slash makes `curl` send the file's name:

```sh
curl -fsS -T talk.mp4 {SERVER}/v1/mp3/ -o talk.mp3
```

Otherwise, sign in first. Programs use an API key (`createApiKey`, or the page) instead of the token:

{_TOKEN}"""
_SIGNED_IN = f"""\
Sign in first. Programs use an API key (`createApiKey`, or the page) instead of the token:

{_TOKEN}

Then one call is enough. The final slash makes `curl` send the file's name:

```sh
curl -fsS -T talk.mp4 {SERVER}/v1/mp3/ -H "Authorization: Bearer $TOKEN" -o talk.mp3
```"""
_REST = f"""\
Convert step by step, with progress: upload and convert in one form, follow the conversion, download the MP3.

```sh
JOB=$(curl -fsS {SERVER}/v1/conversions -H "Authorization: Bearer $TOKEN" -F bitrate_kbps=128 -F file=@talk.mp4 |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl -fsSN "{SERVER}/v1/conversions/$JOB/events" -H "Authorization: Bearer $TOKEN"
curl -fsS "{SERVER}/v1/conversions/$JOB/mp3" -H "Authorization: Bearer $TOKEN" -o talk.mp3
```

## Errors

An error is a problem detail (RFC 9457, `application/problem+json`) with a stable `code`. If `retryable` is true, the
same request can succeed later; wait for the time in `Retry-After`. Each call lists its own errors. Every call can also
answer {{common}}.

## Permissions

`x-needs` says what a call requires: nothing (`open`), a session or an API key with that scope (`read`, `convert`,
`admin`; `convert` includes `read`), or a session (`account`)."""


def introduction(*, trust_loopback: bool) -> str:
    """Returns the introduction, with `{server}` and `{common}` to be filled in.

    With `trust_loopback`, programs of this machine need no sign-in.
    """
    return f"{SUMMARY}\n\n## Quick start\n\n{_HERE if trust_loopback else _SIGNED_IN}\n\n{_REST}"


def llms_text(schema: dict[str, Any]) -> str:
    """Returns /llms.txt: a description of the service for language models (https://llmstxt.org), made of OpenAPI's."""
    return "\n".join(_lines(schema)) + "\n"


def _lines(schema: dict[str, Any]) -> Iterator[str]:
    server = schema["servers"][0]["url"]
    summary, _, rest = schema["info"]["description"].partition("\n\n")
    yield f"# {schema['info']['title']}\n\n> {summary}\n\n{rest}\n\n## Links\n"
    yield f"- [OpenAPI 3.1]({server}/openapi.json): every call with its parameters, bodies, examples and errors"
    yield f"- [Documentation of the API]({server}/docs): the same, for people"
    for tag in schema["tags"]:
        yield f"\n## {tag['name']}\n\n{tag['description']}\n"
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    yield f"- `{method.upper()} {path}` ({operation['operationId']}): {operation['summary']}"
    yield "\n## Events sent to webhooks\n"
    for name, operations in schema["webhooks"].items():
        yield f"- `{name}`: {operations['post']['summary']}"
