"""Every number of every request is bounded, and none of the extremes of floating point breaks anything."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.api.conftest import SignedIn
from tests.api.matrix import ADMIN, ITEMS, OPEN, OWN, Stage
from tests.api.numbers import EXTREMES, Number, numbers_of
from tests.api.test_matrix import a_worker
from tests.engine.sounds import BytesSource, tone, wav_with
from video2mp3.api.application import create_app
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job
from video2mp3.engine import Progress, convert
from video2mp3.errors import MediaError
from video2mp3.settings import Settings, load_settings

CASES = OPEN | OWN | ITEMS | ADMIN
WHOLE = bool(os.environ.get("TESTS_ABUSE"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, requests_per_minute=0, uploads_per_minute=0, probes_per_minute=0)


@pytest.fixture
def numbers(services: Services) -> list[Number]:
    return list(numbers_of(create_app(services).openapi()))


def test_every_number_is_bounded(numbers: list[Number]) -> None:
    """It should have a minimum and a maximum, both finite, or a list of its values."""
    assert len(numbers) > 100
    assert {(number.operation, number.path) for number in numbers if not number.is_bounded} == set()


def test_no_number_breaks_a_request(services: Services, numbers: list[Number], ada: SignedIn, root: SignedIn) -> None:
    """It should answer no extreme with 5xx, and what it accepts should end as an MP3 or as an error of the media.

    The options are the same in all routes: the short run tries each once in each form that a request has.
    """
    tried: dict[tuple[object, ...], Number] = {}
    for number in numbers:
        tried.setdefault(tuple(number.__dict__.values())[0 if WHOLE or len(number.path) == 1 else 1 :], number)
    stage = Stage(services, ada, root)
    broken = []
    with a_worker(services):
        for number in tried.values():
            case = CASES[number.operation.replace("{name}", "{name:path}")]
            ids = {name.removesuffix(":path"): value for name, value in case.names(stage).items()}
            http = (root if number.operation in ADMIN else ada).http
            for text in EXTREMES:
                status = number.send(http, case, ids, text).status_code
                if status >= 500:
                    broken.append((status, text[:20], number))
    assert broken == []
    _assert_all_end(services)


def _assert_all_end(services: Services) -> None:
    with services.database.read() as session:
        accepted = {repr(options): options for options in session.scalars(select(Job.options))}
    assert len(accepted) > 10
    for options in accepted.values():
        source = BytesSource(wav_with(tone(16_000)))
        with tempfile.TemporaryFile() as sink, suppress(MediaError):
            assert convert(source, sink, options, on_progress=_assert_sound).samples >= 0


def _assert_sound(progress: Progress) -> None:
    assert 0 <= progress.percent <= (100 if progress.is_finished else 99)
