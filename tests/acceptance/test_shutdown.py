"""The orderly end, and the quick one."""

import signal
import time
from pathlib import Path

import httpx

from tests.acceptance.service import embedded
from tests.processes import go_on, stop_engines
from tests.servers import SMTPServer


def test_sigterm_finishes_what_runs_and_ends_well(tmp_path: Path, mail_server: SMTPServer, long_talk: Path) -> None:
    """It should take no more, finish the running conversion, and end with status 0 and no child left."""
    # The default is too short for a machine that is busy with other tests.
    env = {"VIDEO2MP3_WORKER_SLOTS": "1", "VIDEO2MP3_DRAIN_GRACE_S": "100"}
    with embedded(tmp_path, mail_server, env, is_cold=True) as service, service.user() as ada:
        with long_talk.open("rb") as video:
            first = ada.post("/v1/conversions", files={"file": video}).raise_for_status().json()
        upload_id = first["source"]["upload_id"]
        second = ada.post("/v1/conversions", json={"upload_id": upload_id}).raise_for_status().json()
        serve = service.roles["serve"]
        stopped = stop_engines(serve.process.pid, 1)
        serve.process.send_signal(signal.SIGTERM)
        go_on(*stopped)
        assert serve.process.wait(120) == 0
        assert "Waits up to 100 s for 1 conversion; Ctrl-C again ends it now." in serve.output.read_text()
        log = serve.log.read_text()
        assert f'"job_id": "{first["id"]}", "fence": 1' in log
        assert log.count('"event": "job_finished"') == 1
        assert f'"job_id": "{second["id"]}", "fence"' not in log
        assert "Traceback" not in log


def test_the_second_sigterm_ends_it_at_once(tmp_path: Path, mail_server: SMTPServer, long_talk: Path) -> None:
    """It should not wait for an answer that somebody waits for."""
    env = {"VIDEO2MP3_WORKER_SLOTS": "1"}
    with embedded(tmp_path, mail_server, env) as service, service.user() as ada:
        with long_talk.open("rb") as video:
            ada.post("/v1/conversions", files={"file": video}).raise_for_status()
        process = service.roles["serve"].process
        stop_engines(process.pid, 1)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # else the two signals would be one
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM


def test_a_head_without_end_is_refused(tmp_path: Path, mail_server: SMTPServer) -> None:
    """It should answer 431 to a head that is too large, from anyone."""
    with embedded(tmp_path, mail_server) as service:
        assert httpx.get(f"{service.url}/livez", headers={"X-Long": "a" * 1000}).status_code == 200
        assert httpx.get(f"{service.url}/livez", headers={"X-Long": "a" * 2_000_000}).status_code == 431
