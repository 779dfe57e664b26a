"""The services of compose.yaml, started by `docker compose` itself."""

import email
import email.policy
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx

from tests.acceptance.service import Service
from tests.image.engine import ROOT, Docker

# What the tutorial's own calls need: accounts that anybody makes, with passwords of five characters.
_SETTINGS = {"VIDEO2MP3_PASSWORD_MIN_LENGTH": "5", "VIDEO2MP3_REGISTRATION": "open"}
_OVERRIDE = {"services": {"api": {"environment": _SETTINGS}}}


class Mailpit:
    """Reads the mails from the catcher's own interface."""

    url = "http://127.0.0.1:8025/api/v1"

    @property
    def messages(self) -> list[EmailMessage]:
        found = []
        for each in httpx.get(f"{self.url}/messages", params={"limit": 10_000}).raise_for_status().json()["messages"]:
            raw = httpx.get(f"{self.url}/message/{each['ID']}/raw").raise_for_status().content
            found.append(email.message_from_bytes(raw, policy=email.policy.default))
        return found


class Compose:
    """Calls `docker compose` with compose.yaml, and with secrets that were drawn for this run."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker = docker
        subprocess.run([ROOT / "deploy" / "make-secrets.sh", folder / "secrets"], check=True)
        override = folder / "override.yaml"
        override.write_text(json.dumps(_OVERRIDE))
        arguments = ["compose", "--project-directory", str(folder), "--ansi", "never"]
        arguments += ["--file", str(ROOT / "compose.yaml"), "--file", str(override)]
        self._arguments = arguments
        self.command = [*docker.command, *arguments]

    def run(self, *arguments: str, image: str | None = None, text: str | None = None) -> str:
        """Returns what it prints."""
        env = {"IMAGE": image} if image else None
        return self.docker.run(*self._arguments, *arguments, env=env, text=text, timeout_s=600)

    def states(self) -> dict[str, str]:
        """Each container's name, with its health where it has a check, else its state."""
        lines = self.run("ps", "--all", "--format", "json").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return {each["Name"]: each["Health"] or f"{each['State']} {each['ExitCode']}" for each in found}


@dataclass
class ComposeService(Service):
    """What the acceptance tests want to know of a service, asked of containers."""

    compose: Compose | None = None

    def is_whole(self) -> bool:
        assert self.compose is not None
        return set(self.compose.states().values()) <= {"healthy", "exited 0"}

    def logs(self) -> str:
        assert self.compose is not None
        return self.compose.run("logs", "--no-color")

    def stop(self) -> None:
        assert self.compose is not None
        self.compose.run("down", "--volumes", "--remove-orphans", "--timeout", "60")


@contextmanager
def composed(docker: Docker, folder: Path) -> Iterator[ComposeService]:
    """`docker compose up --detach --wait`, and down at the end."""
    compose = Compose(docker, folder)
    service = ComposeService(folder, {}, Mailpit(), ["http://localhost:8000"], compose=compose)
    try:
        began_s = time.monotonic()
        compose.run("up", "--detach", "--wait", "--quiet-pull")
        print(f"\n`docker compose up --wait`: {time.monotonic() - began_s:.0f} s")
        yield service
    except BaseException:
        print(compose.run("ps", "--all"), compose.run("logs", "--no-color", "--tail", "40"))
        raise
    finally:
        service.stop()
