"""The description of the API: names, groups, examples, commands and errors of every call."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from tests.api.conftest import Serve, SignedIn
from tests.api.test_matrix import a_worker
from tests.servers import require_program
from video2mp3.api import application
from video2mp3.api.application import describe
from video2mp3.api.description import complete
from video2mp3.api.description.groups import GROUPS
from video2mp3.api.frame.services import Services

SERVER = "https://mp3.example.org"
SCHEMA = describe(SERVER)
OPERATIONS: list[dict[str, Any]] = [
    {**operation, "method": method, "path": path}
    for section in ("paths", "webhooks")
    for path, operations in SCHEMA[section].items()
    for method, operation in operations.items()
]
CALLS = [operation for operation in OPERATIONS if operation["path"].startswith("/")]


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Yields where an example is, its schema and itself."""
    for operation in OPERATIONS:
        name = operation["operationId"]
        places = {"body": operation.get("requestBody", {}), **operation["responses"]}
        for place, described in places.items():
            for content in described.get("content", {}).values():
                if "example" in content:
                    yield f"{name} {place}", content["schema"], content["example"]
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                yield f"{name} {parameter['name']}", parameter["schema"], parameter["example"]
    for name, example in SCHEMA["components"]["examples"].items():
        yield name, {"$ref": "#/components/schemas/Problem"}, example["value"]


def test_every_call_has_a_short_name_a_sentence_and_a_group() -> None:
    names = [operation["operationId"] for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-zA-Z0-9]{3,30}", name)] == []
    assert {"createConversion", "downloadMp3", "convertFile", "conversionEnded"} <= set(names)
    assert [operation["path"] for operation in OPERATIONS if not 10 < len(operation["summary"]) < 130] == []
    assert {tag for operation in CALLS for tag in operation["tags"]} == set(GROUPS)


def test_bodies_alone_refuse_unknown_fields() -> None:
    """It should say so of every JSON body outside v0 with all in it, and of no answer, which may get more fields."""
    bodies: set[str] = set()
    answers: set[str] = set()
    for operation in (one for one in CALLS if one["path"].startswith("/v1/")):
        places = [
            (bodies, operation.get("requestBody", {})),
            *((answers, one) for one in operation["responses"].values()),
        ]
        for found, place in places:
            found |= set(re.findall(r"schemas/(\w+)", json.dumps(place.get("content", {}).get("application/json", {}))))
    schemas = SCHEMA["components"]["schemas"]
    for found in (bodies, answers):
        while inner := set(re.findall(r"schemas/(\w+)", json.dumps([schemas[name] for name in found]))) - found:
            found |= inner
    strict = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert len(bodies) > 10
    assert bodies <= strict
    assert not (answers - bodies) & strict


def test_calls_come_in_the_order_of_use_and_those_of_v0_last() -> None:
    groups = list(dict.fromkeys(operation["tags"][0] for operation in CALLS))
    assert groups == [tag["name"] for tag in SCHEMA["tags"]] == list(GROUPS)
    assert (groups[0], groups[-1]) == ("conversions", "v0")


def test_examples_are_what_their_schemas_allow() -> None:
    """It should be so of every example; every JSON body should have one."""
    found = list(examples())
    assert len(found) > 150
    shared = _local(SCHEMA["components"]["schemas"])
    wrong = [
        f"{place}: {error.message}"
        for place, schema, example in found
        for error in jsonschema.Draft202012Validator({**_local(schema), "$defs": shared}).iter_errors(example)
    ]
    assert wrong == []
    with_body = {
        o["operationId"] for o in OPERATIONS if "application/json" in o.get("requestBody", {}).get("content", {})
    }
    assert with_body <= {place.removesuffix(" body") for place, _, _ in found}


def _local(schema: Any) -> Any:
    return json.loads(json.dumps(schema).replace("#/components/schemas/", "#/$defs/"))


def test_every_command_is_one_that_the_service_understands(
    url: str, services: Services, ada: SignedIn, tmp_path: Path
) -> None:
    """It should succeed, or fail as described since the example's ids are nobody's: never for its form."""
    require_program("curl")
    (tmp_path / "talk.mp4").write_bytes(b"not really a video")
    # The account is still needed, and the stream of all events does not end.
    apart = ("deleteOwnAccount", "followConversions")
    calls = [operation for operation in CALLS if operation["operationId"] not in apart]
    commands = [operation["x-codeSamples"][0]["source"] for operation in calls]
    script = "\n".join(f"{command} -o answer -w '%{{http_code}}\\n'" for command in commands)
    with a_worker(services):
        done = subprocess.run(
            ["bash", "-c", script.replace(SERVER, url)],
            cwd=tmp_path,
            env={"TOKEN": ada.access_token, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    statuses = done.stdout.split()
    assert len(statuses) == len(calls), done.stderr
    unexpected = {
        operation["operationId"]: status
        for operation, status in zip(calls, statuses, strict=True)
        if status not in operation["responses"] or status in ("405", "415", "422")
    }
    assert unexpected == {}
    assert sum(status.startswith("2") for status in statuses) >= 20


@pytest.mark.parametrize("trust_loopback", [True, False])
def test_the_quick_start_runs_as_it_is(
    services: Services, serve: Serve, tmp_path: Path, *, trust_loopback: bool
) -> None:
    """It should do so where programs of this machine need no sign-in, and where every request needs one."""
    require_program("curl")
    (tmp_path / "talk.mp4").write_bytes(b"not really a video")
    services = replace(services, trust_loopback=trust_loopback)
    url = serve(services)
    account = {"username": "ada", "password": "correct horse battery staple"}
    httpx.post(f"{url}/v1/accounts", json=account).raise_for_status()
    text = httpx.get(f"{url}/llms.txt").text.partition("## Errors")[0]
    commands = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(commands) == 3
    script = "set -e -o pipefail\n" + "mv talk.mp3 first.mp3\n".join(["".join(commands[:2]), commands[2]])
    with a_worker(services, everything=True):
        done = subprocess.run(
            ["bash", "-c", script.replace(services.settings.effective_public_url, url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert '"state": "finished"' in done.stdout
    assert (tmp_path / "first.mp3").read_bytes() == (tmp_path / "talk.mp3").read_bytes() != b""


def test_whoever_asks_while_the_description_is_made_gets_the_whole(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should not be what the framework made of the routes, which lacks the options that the page shows."""
    begun, goes_on = threading.Event(), threading.Event()

    def held(schema: dict[str, Any], server: str) -> dict[str, Any]:
        begun.set()
        assert goes_on.wait(60)
        return complete(schema, server)

    monkeypatch.setattr(application, "complete", held)
    app = application.create_app(services)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(app.openapi)
        assert begun.wait(60)
        second = pool.submit(app.openapi)
        wait([second], 0.2)
        goes_on.set()
        assert "ConversionOptions" in first.result()["components"]["schemas"]
        assert "ConversionOptions" in second.result()["components"]["schemas"]


def test_the_text_for_language_models_has_every_call(client: httpx.Client) -> None:
    answer = client.get("/llms.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("# video2mp3\n\n> Converts video to MP3")
    assert [o["path"] for o in CALLS if f"`{o['method'].upper()} {o['path']}`" not in answer.text] == []
    assert re.findall(r"\{\w+\}", answer.text.partition("## Links")[0]) == []


@pytest.mark.parametrize("kind", ["audio/mpeg", "application/zip"])
def test_files_are_described_as_generators_read_them(kind: str) -> None:
    found = [
        o["responses"]["200"]["content"][kind]
        for o in CALLS
        if kind in o["responses"].get("200", {}).get("content", {})
    ]
    assert len(found) >= 4
    assert {json.dumps(content) for content in found} == {'{"schema": {"type": "string", "format": "binary"}}'}
