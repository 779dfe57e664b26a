"""compose.yaml, as it stands there, is the spread service: the acceptance tests against its containers."""

import shlex
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import talk  # noqa: F401 - a fixture of the tests below
from tests.acceptance.service import PASSWORD
from tests.acceptance.test_calls import collection_for, play
from tests.acceptance.test_main_job import (  # noqa: F401
    test_a_video_becomes_an_mp3_and_its_owner_gets_an_email,
    test_no_password_or_token_reaches_a_log,
    test_one_call_turns_a_body_into_an_mp3,
    test_operators_find_what_they_look_for,
    test_ten_odd_files_get_their_outcome_through_the_api,
)
from tests.acceptance.test_readme import BLOCKS
from tests.deploy.test_operations import blocks
from tests.image.compose import ComposeService, composed
from tests.image.conftest import OPT_IN
from tests.image.engine import Docker
from tests.media import make_video, samples_by_ffmpeg
from tests.servers import wait_until

pytestmark = OPT_IN

# Does with containers what the page's lines do in a cluster.
_KUBECTL = """
compose() {{ {compose} "$@"; }}
kubectl() {{
  case "$*" in
    apply*) compose restart api worker notifier ;;
    *rollout*) compose up --detach --wait --no-recreate ;;
    *) while [ "$1" != -- ]; do shift; done; compose exec --no-TTY mysql "${{@:2}}" ;;
  esac
}}
"""


@pytest.fixture(scope="module")
def service(docker: Docker) -> Iterator[ComposeService]:
    """All services, and the administrator whom the collection of calls signs in as."""
    folder = docker.work / "compose"
    folder.mkdir()
    with composed(docker, folder) as service:
        assert service.compose
        arguments = ["exec", "--no-TTY", "api", "video2mp3", "user", "add", "admin", "--admin", "--password-stdin"]
        service.compose.run(*arguments, text=PASSWORD)
        yield service


def test_every_service_is_well(service: ComposeService) -> None:
    """It should have ended what is done once, and find all others in health."""
    assert service.compose
    states = {name.removeprefix("video2mp3-"): state for name, state in service.compose.states().items()}
    done = {"migrate-1", "bucket-1"}
    assert {name for name, state in states.items() if state == "exited 0"} == done
    assert {name: state for name, state in states.items() if name not in done} == dict.fromkeys(
        ("api-1", "worker-1", "notifier-1", "mysql-1", "rabbitmq-1", "s3-1", "mail-1"), "healthy"
    )


def test_the_readme_s_calls_work(service: ComposeService, tmp_path: Path) -> None:
    """It should convert by the README's lines for a service elsewhere, as they stand there."""
    make_video(tmp_path / "talk.mp4", 5)
    script = "\n".join(BLOCKS[2:4])
    assert script.count("localhost:8000") >= 7
    command = ["bash", "-euo", "pipefail", "-c", script]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert samples_by_ffmpeg(tmp_path / "talk-128.mp3") == 5 * 48_000


def test_nothing_but_the_front_has_a_way_out(service: ComposeService) -> None:
    """It should leave the worker, which decodes strangers' files, no route but to its own network."""
    assert service.compose
    listing = "import pathlib; print(pathlib.Path('/proc/net/route').read_text())"
    routes = {
        role: service.compose.run("exec", "--no-TTY", role, "python3", "-c", listing).splitlines()[1:]
        for role in ("api", "worker")
    }
    defaults = {role: [line for line in lines if line.split()[1:2] == ["00000000"]] for role, lines in routes.items()}
    assert len(defaults["api"]) == 1, "a control: the api is in the network that is published"
    assert defaults["worker"] == []


def test_every_call_of_the_collection_is_answered(service: ComposeService, tmp_path: Path) -> None:
    """It should pass every check of calls.json; what converts comes before, as one of the calls drains the worker."""
    make_video(tmp_path / "clip.mp4", 2)
    status, run = play(collection_for(service, tmp_path), tmp_path)
    assert run["failures"] == []
    assert status == 0


def test_more_workers_come_when_asked_for(service: ComposeService) -> None:
    """It should start two more, also beside one that was drained."""
    assert service.compose
    service.compose.run("up", "--detach", "--wait", "--no-recreate", "--scale", "worker=3")
    workers = [name for name, state in service.compose.states().items() if "worker" in name and state == "healthy"]
    assert len(workers) == 3
    wait_until(service.is_whole, 60, "all to be well")


def test_the_database_gets_a_new_password_and_is_backed_up_as_the_operators_page_says(
    service: ComposeService, tmp_path: Path
) -> None:
    """It should take both passwords until all roles have the new one, then only that, by the page's lines."""
    compose = service.compose
    assert compose
    secrets = tmp_path / "deploy" / "kubernetes" / "overlays" / "local" / "secrets"
    secrets.parent.mkdir(parents=True)
    secrets.symlink_to(service.folder / "secrets")
    old = (secrets / "mysql-password").read_text()
    parts = [block for block in blocks() if any("statefulset/mysql -- sh" in line for line in block)]
    # The storage here is no folder.
    lines = [line for line in chain(*parts) if " tar " not in line]
    (discard,) = [position for position, line in enumerate(lines) if "DISCARD" in line]
    assert "RETAIN" in lines[1]
    assert discard > 3

    def run(*lines: str) -> None:
        script = "\n".join([_KUBECTL.format(compose=shlex.join(compose.command)), *lines])
        script = script.replace("/run/secrets/mysql/root-password", "/run/secrets/mysql-root-password")
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def is_taken(password: str) -> bool:
        client = ["mysql", "--host=127.0.0.1", "--user=video2mp3", f"--password={password}", "--execute=SELECT 1"]
        command = [*compose.command, "exec", "--no-TTY", "mysql", *client]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    run(*lines[:discard])
    new = urlsplit((secrets / "VIDEO2MP3_DATABASE_URL").read_text()).password
    assert new
    assert new != old
    assert (is_taken(old), is_taken(new)) == (True, True)
    run(*lines[discard:])
    assert (is_taken(old), is_taken(new)) == (False, True)
    wait_until(service.is_whole, 60, "all to be well")
    assert "INSERT INTO `users`" in (tmp_path / "video2mp3.sql").read_text()
