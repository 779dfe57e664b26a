"""A second process on the SQLite database of a `serve` that runs, and commands beside it."""

import socket
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import embedded, notifications_to
from tests.cli.test_commands import run
from tests.jobs.rows import change_job, claimed, make_user, read_job, submit
from tests.servers import SMTPServer, wait_until
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database


@pytest.mark.parametrize("role", [["serve", "--port", "0"], ["worker"]], ids=["serve", "worker"])
def test_serve_uses_its_database_alone(tmp_path: Path, smtp: SMTPServer, role: list[str]) -> None:
    """It should refuse others in one sentence, as a start ends the claims of earlier processes."""
    with embedded(tmp_path, smtp) as service:
        folder = Path(service.env["VIDEO2MP3_DATA_DIR"])
        second = run(tmp_path, *role, VIDEO2MP3_DATA_DIR=str(folder))
        assert (second.returncode, second.stderr.splitlines()[-1]) == (
            1,
            f"video2mp3: Another process of this service uses {folder / 'video2mp3.db'}; stop it, "
            "or choose another folder with --data-dir (VIDEO2MP3_DATA_DIR).",
        )
        # A killed process leaves nothing that has to be removed, and no claim that holds, whatever the clock says.
        service.roles["serve"].kill()
        with closing(Database(f"sqlite:///{folder / 'video2mp3.db'}")) as database:
            job_id = submit(database, make_user(database)).id
            claimed(database, job_id)
            change_job(database, job_id, lease_until=now() + 3600 * SECOND)
            service.start("again", "serve", "--port", "0").wait_for_output("listens on")
            wait_until(lambda: read_job(database, job_id).state != "processing", 60, "the claim to end")


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address; containers often have none."""
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def test_links_lead_to_the_port_of_serve(tmp_path: Path, smtp: SMTPServer) -> None:
    """It should be the one that `serve` listens on, which no other setting or command knows, with an IPv6 host too.

    Without `serve`, a sign-in link has the port of the settings.
    """
    with embedded(tmp_path, smtp, {"VIDEO2MP3_HOST": "::1"} if has_ipv6() else {}) as service:
        assert httpx.get(f"{service.url}/readyz", timeout=60).status_code == 200
        data = {"VIDEO2MP3_DATA_DIR": service.env["VIDEO2MP3_DATA_DIR"]}
        assert run(tmp_path, "sign-in-link", **data).stdout.startswith(f"{service.url}/sign-in?token=")
        with service.user(email="ada@example.org") as ada:
            ada.post("/v1/conversions", files={"file": ("talk.mp4", b"no video")}).raise_for_status()
            (email,) = wait_until(lambda: notifications_to(service, "ada@example.org"), 60, "the email")
        assert email["List-Unsubscribe"].startswith(f"<{service.url}/v1/unsubscribe?")
    assert run(tmp_path, "sign-in-link", **data).stdout.startswith("http://127.0.0.1:8000/sign-in?token=")
