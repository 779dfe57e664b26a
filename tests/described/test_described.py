"""The service does what its description says, whatever is sent to it."""

import os
from pathlib import Path

import pytest

from tests.api.conftest import SignedIn
from tests.api.matrix import Stage
from tests.api.test_matrix import a_worker
from tests.described.running import operations_of, run
from video2mp3.api.frame.services import Services
from video2mp3.settings import Settings, load_settings
from video2mp3.wiring import configure_logging

# A short run belongs to all tests; `make fuzz` gives it ten minutes.
SECONDS = int(os.environ.get("TESTS_FUZZ_S", "8"))
# Of all operations; others ask for a secret that comes by email only, or would end the account that asks.
LEAST = 0.9
# The valid requests have as long as they take, on a busy machine too.
RUNS = {
    "valid": ("--phases", "examples"),
    "other": (
        *("--phases", "coverage,fuzzing,stateful"),
        *("--max-time", str(SECONDS), "--max-examples", str(max(3, SECONDS // 4))),
    ),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Without what would end the run early."""
    return load_settings(
        data_dir=tmp_path,
        log_level="error",
        access_token_lifetime_s=7200,
        max_login_failures=0,
        requests_per_minute=0,
        uploads_per_minute=0,
        probes_per_minute=0,
        anonymous_per_minute=0,
    )


@pytest.mark.timeout(1200)
def test_every_answer_is_as_described(
    services: Services, settings: Settings, url: str, root: SignedIn, tmp_path: Path
) -> None:
    """It should never be 5xx, nor break the schema; nine of ten operations should have answered 2xx."""
    configure_logging(settings)
    operations, reached = operations_of(url), set[str]()
    for name, limits in RUNS.items():
        folder = tmp_path / name
        folder.mkdir()
        with a_worker(services):
            stage = Stage(services, root, root)
            outcome = run(url, stage, folder, *limits)
        print(outcome.output)
        assert outcome.broken == set()
        assert outcome.status == 0
        reached |= outcome.reached
        print(f"{sum(sum(statuses.values()) for statuses in outcome.answers.values())} requests")
    missed = operations - reached
    print(f"{len(operations) - len(missed)} of {len(operations)} operations answered 2xx; not: {sorted(missed)}")
    assert len(missed) <= (1 - LEAST) * len(operations)
