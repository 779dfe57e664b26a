"""A request is recognized by what it asks for, also by a later version of the program."""

from dataclasses import replace

import pytest

from video2mp3.engine import Options
from video2mp3.jobs.sources import JobSpec, RemoteSource

SPEC = JobSpec(options=Options(preset="podcast", title="A talk").resolved(), upload_id="a" * 32)


def test_the_fingerprint_stays_the_same_from_version_to_version() -> None:
    """It should not depend on defaults: a new option or field must not change it."""
    assert SPEC.sha256() == "d270ccca788e0ca799ab468d328d759bbaa444f17af3313e047ca086fa7b9536"


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, options=Options(preset="podcast").resolved()),
        replace(SPEC, options=Options(title="A talk").resolved()),
        replace(SPEC, upload_id="b" * 32),
        replace(SPEC, upload_id=None, source=RemoteSource("https://example.org/a.mp4", "a.mp4")),
        replace(SPEC, tag="x"),
        replace(SPEC, email_notifications=False),
        replace(SPEC, priority=2),
    ],
)
def test_another_request_has_another_fingerprint(other: JobSpec) -> None:
    assert other.sha256() != SPEC.sha256()
    assert other.sha256("content") != other.sha256()
