"""Mutated files end in an MP3 or a clear code, whatever is wrong with them. `make fuzz-media` tries 5,000, this 150."""

import hashlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine import fuzz
from tests.engine.fuzz import Result, complaints_about, results, try_mutation, try_source
from tests.engine.mutations import CHANGES, corpus, mutation
from tests.engine.processes import children
from tests.engine.sounds import BytesSource, tone, wav_with
from tests.media import CORPUS
from tests.servers.programs import missing
from video2mp3.engine import Limits, convert

IN_MAKE_TEST = 60
SOUND = wav_with(tone(48_000 * 2), rate_hz=48_000)


@pytest.fixture(scope="module", autouse=True)
def needs_corpus() -> None:
    if not corpus():
        missing(f"the media corpus ({CORPUS})")


def test_mutated_files_end_in_an_mp3_or_a_code() -> None:
    """It should give an MP3 that decoders like, or a code that says what is wrong with the file."""
    found = [try_mutation(number) for number in range(IN_MAKE_TEST)]
    assert [(str(mutation(result.number)), result.faults) for result in found if result.faults] == []
    assert {"mp3", "unsupported_format", "no_audio", "undecodable_audio"} <= {result.outcome for result in found}


def test_a_number_always_tells_the_same_mutation() -> None:
    """It should be possible to do again what went wrong elsewhere, on any version of Python."""
    cases = [mutation(number) for number in range(100)]
    assert {change for case in cases for change in case.changes} == set(CHANGES)
    digest = hashlib.sha256(b"".join(case.data + str(case).encode() for case in cases))
    assert digest.hexdigest() == "bada6f2afc4a606c155518b367102f363d505a289e3500896d0a701f9d0fcbdb"


# -- what must not be is seen --------------------------------------------------------------------------


def strike(number: int) -> BytesSource:
    """A source that sends a signal to whoever converts it."""

    def send(count: int) -> None:
        for child in children():
            os.kill(child, number)

    return BytesSource(SOUND, send)


def test_a_crash_is_seen() -> None:
    """It should tell that the engine crashed."""
    assert try_source(0, strike(signal.SIGSEGV), {}).faults == (
        "engine_crashed: The engine crashed, which damaged files can cause.",
    )


def test_a_process_that_hangs_is_seen() -> None:
    """It should tell that the deadline had to end it."""
    result = try_source(0, strike(signal.SIGSTOP), {}, Limits(wall_clock_s=1))
    assert result.outcome == "time_limit_reached"
    assert len(result.faults) == 1


def test_a_deadline_that_does_not_hold_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should tell how long it took."""
    monkeypatch.setattr(fuzz, "GRACE_S", 0.0)
    result = try_source(0, BytesSource(SOUND, lambda count: time.sleep(1)), {}, Limits(wall_clock_s=0))
    assert any("it took" in fault for fault in result.faults), result


def test_memory_beyond_the_bound_is_seen() -> None:
    """It should measure the process that reads the file."""
    slow = BytesSource(SOUND, lambda count: time.sleep(0.2))
    (fault,) = try_source(0, slow, {}, max_rss_bytes=10 * 1024**2).faults
    assert "MB" in fault
    assert try_source(0, slow, {}).peak_rss_bytes > 10 * 1024**2


def test_an_error_without_a_code_is_seen() -> None:
    """It should tell what was raised."""
    source = BytesSource(SOUND)
    del source.name
    assert try_source(0, source, {}).faults[0].startswith("AttributeError")


def test_an_mp3_that_is_not_as_promised_is_seen(tmp_path: Path) -> None:
    """It should tell what independent decoders found."""
    mp3 = tmp_path / "a.mp3"
    with mp3.open("w+b") as sink:
        report = convert(BytesSource(SOUND), sink)
    assert complaints_about(mp3, report) == []
    more = replace(report.segments[0], samples=report.samples + 1)
    assert complaints_about(mp3, replace(report, segments=(more,))) != []
    mp3.write_bytes(mp3.read_bytes()[:-300])
    assert complaints_about(mp3, report) != []


def die(number: int) -> Result:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 2:
        time.sleep(600)
    return Result(number, "mp3", (), 0.0, 0)


def test_the_end_of_the_parent_is_seen() -> None:
    """It should tell which mutation it was, and go on."""
    found = {result.number: result.faults for result in results(range(5), 2, die, patience_s=5)}
    assert found == {0: (), 1: ("the parent died",), 2: ("the parent hangs",), 3: (), 4: ()}
