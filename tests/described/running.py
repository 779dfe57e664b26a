"""Lets schemathesis loose on a real service: every check, requests that follow from each other, for a time."""

import base64
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.api.conftest import PASSWORD
from tests.api.matrix import ADMIN, ITEMS, OPEN, OWN, Case, Ids, Stage

_HERE = Path(__file__).parent
_NOT = (
    # The valid requests carry their own sign-in, which it takes away: tests/api/test_matrix.py does it on every route.
    "ignored_auth",
    # An address such as /v1/conversions/archive is that of two routes; Allow names the methods of both.
    "allow_header_conformance",
    # PATCH /v1/uploads is first asked for the version of the protocol for resumable uploads: 412, not 405.
    "unsupported_method",
)


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    status: int
    output: str
    answers: dict[str, dict[int, int]]
    """How often each operation answered with each status."""

    @property
    def reached(self) -> set[str]:
        """The operations that answered 2xx."""
        return {name for name, statuses in self.answers.items() if any(200 <= status < 300 for status in statuses)}

    @property
    def broken(self) -> set[str]:
        """The operations that answered 5xx."""
        return {name for name, statuses in self.answers.items() if any(status >= 500 for status in statuses)}


def run(url: str, stage: Stage, folder: Path, *limits: str) -> Outcome:
    """Runs schemathesis against the service, with more of its options; `stage.owner` has to be an administrator."""
    answers = folder / "answers.txt"
    answers.touch()
    facts = folder / "facts.json"
    facts.write_text(json.dumps(_facts(stage)))
    arguments = [
        "--config-file", str(_HERE / "schemathesis.toml"), "run", f"{url}/openapi.json",
        "--checks", "all", "--exclude-checks", ",".join(_NOT), "--seed", "1",
        "--exclude-path", "/v1/conversions/events",  # it does not end: tests/api/test_events.py
        *limits,
        "--continue-on-failure", "--suppress-health-check", "all", "--request-timeout", "30", "--no-color",
        "--warnings", "off",
    ]  # fmt: skip
    env = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.described.hooks",
        "DESCRIBED_FACTS": str(facts),
        "DESCRIBED_ANSWERS": str(answers),
        "PYTHONPATH": str(_HERE.parents[1]),
    }
    program = Path(sys.executable).parent / "schemathesis"
    done = subprocess.run([program, *arguments], env=env, cwd=folder, capture_output=True, text=True, check=False)
    return Outcome(done.returncode, done.stdout + done.stderr, _counted(answers))


def _counted(answers: Path) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for line in answers.read_text().splitlines():
        operation, _, status = line.rpartition(" ")
        found[operation][int(status)] += 1
    return found


def _facts(stage: Stage) -> dict[str, Any]:
    examples: dict[str, list[dict[str, Any]]] = {}
    ids: dict[str, set[str]] = defaultdict(set)
    for operation, case in (OPEN | OWN | ITEMS | ADMIN).items():
        name = operation.replace("{name:path}", "{name}")
        named = {key.removesuffix(":path"): value for key, value in case.names(stage).items()}
        examples[name] = [_example(case, operation, named)]
        # Others than those of the example, which requests that delete must not find; and not of the one who asks.
        for key, value in case.names(stage).items():
            if key.endswith("_id") and value != stage.owner.user_id:
                ids[key].add(value)
    return {
        "username": stage.owner.username,
        "password": PASSWORD,
        "token": stage.owner.access_token,
        "examples": examples,
        "ids": {key: sorted(values) for key, values in ids.items()},
    }


def _example(case: Case, operation: str, ids: Ids) -> dict[str, Any]:
    request = case.filled(ids)
    found: dict[str, Any] = {
        "path": {key: value for key, value in ids.items() if f"{{{key}" in operation},
        "query": request.get("params", {}),
        "headers": request.get("headers", {}),
    }
    if "json" in request:
        found |= {"body": request["json"], "media_type": "application/json"}
    elif "content" in request:
        found |= {"base64": base64.b64encode(request["content"]).decode(), "media_type": "application/octet-stream"}
    elif "files" in request:
        found |= {"form": base64.b64encode(request["files"]["file"][1]).decode(), "media_type": "multipart/form-data"}
    return found


def operations_of(url: str) -> set[str]:
    """What the service says that it has."""
    paths = httpx.get(f"{url}/openapi.json", timeout=30).json()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
