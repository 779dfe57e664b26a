"""`video2mp3 health`, which containers are probed with."""

import resource
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import Role, base_env
from tests.cli.test_commands import run, run_cold
from tests.servers import free_port, wait_until
from video2mp3 import supervision
from video2mp3.jobs.housekeeping.relay import Relay


def test_the_api_is_asked_whether_it_is_ready(tmp_path: Path) -> None:
    """It should be well while the service runs, and say what is wrong when it does not, or has lost its storage."""
    port = str(free_port())
    env = {"VIDEO2MP3_HOST": "0.0.0.0", "VIDEO2MP3_PORT": port}
    serve = Role(tmp_path, "serve", ["serve"], base_env(tmp_path) | env)
    try:
        serve.wait_for_output("listens on")
        assert run(tmp_path, "health", **env).returncode == 0
        (tmp_path / "data" / "storage").rename(tmp_path / "away")
        (tmp_path / "data" / "storage").touch()
        wait_until(lambda: run(tmp_path, "health", **env).returncode == 1, 30, "health to tell of the storage")
        assert '"storage":"unavailable"' in run(tmp_path, "health", **env).stderr
    finally:
        serve.stop()
    gone = run(tmp_path, "health", **env)
    assert gone.returncode == 1
    assert "does not answer" in gone.stderr


def test_a_worker_is_well_while_its_heartbeat_is_in_the_database(tmp_path: Path) -> None:
    """It should find the worker of this machine, and miss it when it has ended."""
    assert run(tmp_path, "migrate").returncode == 0
    worker = Role(tmp_path, "worker", ["worker"], base_env(tmp_path))
    try:
        worker.wait_for_output("worker ready")
        wait_until(lambda: run(tmp_path, "health", "worker").returncode == 0, 30, "the worker's heartbeat")
    finally:
        worker.stop()
    gone = run(tmp_path, "health", "worker")
    assert gone.returncode == 1
    assert "No worker on this machine" in gone.stderr


@pytest.mark.parametrize("role", ["worker", "notifier"])
def test_a_role_whose_database_is_away_is_not_well(role: str, tmp_path: Path) -> None:
    """It should say that in one sentence."""
    assert run(tmp_path, "migrate").returncode == 0
    away = {"VIDEO2MP3_DATABASE_URL": f"mysql+pymysql://u:hunter2@127.0.0.1:{free_port()}/x"}
    result = run(tmp_path, "health", role, **away)
    assert result.returncode == 1
    assert result.stderr.startswith("video2mp3: ")
    assert "hunter2" not in result.stderr
    assert run(tmp_path, "health", "notifier").returncode == 0


@pytest.mark.parametrize("role", ["worker", "notifier"])
def test_a_role_without_tables_is_not_well_and_that_is_one_sentence(role: str, tmp_path: Path) -> None:
    """It should print no traceback into a pod's events while the tables are not made yet."""
    result = run(tmp_path, "health", role)
    assert result.returncode == 1
    assert result.stderr.startswith("video2mp3: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("role", ["worker", "notifier"])
def test_a_role_that_serves_metrics_is_asked_for_its_loops_alone(role: str, tmp_path: Path) -> None:
    """It should stay well without its database, and cost a second of processor time at most."""
    assert run(tmp_path, "migrate").returncode == 0
    port = str(free_port())
    process = Role(tmp_path, role, [role], base_env(tmp_path) | {"VIDEO2MP3_METRICS_PORT": port})
    away = {"VIDEO2MP3_METRICS_PORT": port, "VIDEO2MP3_DATABASE_URL": "mysql+pymysql://u:p@127.0.0.1:1/x"}
    try:
        process.wait_for_output("ready")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = run_cold(tmp_path, "health", role, **away)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        process.stop()
    assert result.returncode == 0, result.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= 1.0
    assert run(tmp_path, "health", role, **away).returncode == 1


def break_relay() -> None:
    """For `tests.abuse.program`: each turn of the relay fails."""

    def fail(_relay: Relay) -> int:
        raise RuntimeError("a bug")

    supervision.FAILING_S = 0.5
    Relay.announce_due = fail  # type: ignore[assignment]


@pytest.mark.parametrize("role", ["worker", "notifier"])
def test_a_role_names_its_loop_that_stays_broken(role: str, tmp_path: Path) -> None:
    """It should not be well, and say which loop it is, also in the metrics; the process itself goes on."""
    assert run(tmp_path, "migrate").returncode == 0
    port = str(free_port())
    env = base_env(tmp_path) | {"VIDEO2MP3_METRICS_PORT": port, "PYTHONPATH": str(Path(__file__).parents[2])}
    broken = ["--without", f"{__name__}:break_relay", "--", role]
    process = Role(tmp_path, role, broken, env, "tests.abuse.program")
    try:
        process.wait_for_output("ready")
        wait_until(lambda: run(tmp_path, "health", role, VIDEO2MP3_METRICS_PORT=port).returncode == 1, 30, "the report")
        assert "are stalled: relay." in run(tmp_path, "health", role, VIDEO2MP3_METRICS_PORT=port).stderr
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        assert 'video2mp3_loop_stalled{loop="relay"} 1.0' in metrics
        assert 'video2mp3_loop_stalled{loop="reaper"} 0.0' in metrics
        assert process.process.poll() is None
    finally:
        process.stop()


def test_a_new_service_prints_a_link_to_set_it_up(tmp_path: Path) -> None:
    """It should sign in as the administrator once, where no address is trusted and nobody has an account."""
    env = base_env(tmp_path) | {"VIDEO2MP3_HOST": "0.0.0.0", "VIDEO2MP3_PORT": str(free_port())}
    serve = Role(tmp_path, "serve", ["serve"], env)
    try:
        link = serve.wait_for_output(r"administrator: (http://localhost:\S+)")[1]
        with httpx.Client(base_url=link.split("/sign-in")[0]) as browser:
            assert browser.get("/v1/me").status_code == 401
            assert browser.get(link).status_code == 303
            assert browser.get("/v1/me").json()["username"] == "admin"
            assert browser.get("/v1/admin/jobs").status_code == 200
        assert httpx.get(link).status_code == 401
    finally:
        serve.stop()
