"""An upload that hardly comes holds no slot: its conversion waits again."""

import time
from collections.abc import Callable

from tests.abuse.conftest import StartService
from tests.abuse.test_heads import Upload
from tests.acceptance.service import wait_for_end
from tests.servers import wait_until
from tests.worker.system import make_wav
from video2mp3.uploads import growing

CONTENT = make_wav(60)
HELD_BACK = 300_000


def with_short_windows() -> None:
    """No guard is taken out: an upload is seen to stall after a second."""
    growing.STALLED_S = 1.0


def drip(upload: Upload, until: Callable[[], bool]) -> None:
    def more() -> bool:
        upload.append(CONTENT[upload.offset_bytes :][:1])
        return until()

    wait_until(more, 60, "the conversion")


def test_an_upload_that_drips_gives_the_slot_back(start_service: StartService) -> None:
    with start_service(with_short_windows, worker_slots=1) as service, service.user() as attacker:
        upload = Upload(attacker, len(CONTENT), CONTENT[:1000])
        upload.append(CONTENT[1000:-HELD_BACK])
        wait_until(lambda: upload.conversion()["state"] == "processing", 60, "an early start")
        drip(upload, lambda: upload.conversion()["state"] == "waiting")
        with service.user() as other:
            clip = other.post("/v1/conversions", files={"file": ("clip.wav", make_wav(1))}).raise_for_status().json()
            assert wait_for_end(other, clip["id"])["state"] == "finished"


def test_the_control_without_a_least_throughput_keeps_the_slot(start_service: StartService) -> None:
    unguarded = start_service(with_short_windows, worker_slots=1, min_transfer_bytes_per_s=0)
    with unguarded as service, service.user() as attacker:
        upload = Upload(attacker, len(CONTENT), CONTENT[:1000])
        upload.append(CONTENT[1000:-HELD_BACK])
        wait_until(lambda: upload.conversion()["state"] == "processing", 60, "an early start")
        end_s = time.monotonic() + 3
        drip(upload, lambda: time.monotonic() > end_s)
        assert upload.conversion()["state"] == "processing"
