"""A Docker engine with all images, made from Debian's packages: no registry is needed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import BASE, CACHE, ROOT, Docker, docker_engine
from tests.servers.programs import missing
from video2mp3 import __version__

IMAGE = f"video2mp3:{__version__}"
NEXT_IMAGE = "video2mp3:next"
SERVERS = Path(__file__).parent / "servers"
OPT_IN = [
    pytest.mark.skipif(not os.environ.get("TESTS_IMAGE"), reason="takes minutes: make test-image"),
    pytest.mark.timeout(2400),
]


@pytest.fixture(scope="package")
def work() -> Iterator[Path]:
    """Where the engine keeps its images."""
    folder = Path(tempfile.mkdtemp(prefix="docker-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="package")
def docker(work: Path) -> Iterator[Docker]:
    """An engine with the image, twice, and with the servers of compose.yaml; the tests run in its network."""
    with docker_engine(work, own_network=False) as docker:
        docker.make(ROOT / "deploy" / "make-base-image.sh", BASE)
        docker.make("make", "image", f"ARGS={' '.join(docker.build_arguments())}")
        docker.build("--build-arg", "VERSION=next", "--tag", NEXT_IMAGE, str(ROOT))
        make_servers(docker)
    with docker_engine(work) as docker, docker.network():
        yield docker


def make_servers(docker: Docker) -> None:
    """Makes images under the names that compose.yaml has, which do what its services use of the real ones."""
    for release, root in (("trixie", "root-rabbitmq"), ("sid", "root-mysql")):
        if not (CACHE / release / ".packages").exists():
            missing(f"{CACHE / release} (make test-image makes it)")
        docker.make(SERVERS / "import_root.sh", str(CACHE / release), root)
    requirements = ["--build-context", f"requirements={ROOT / 'requirements'}"]
    for target, tag in (
        ("mysql", "mysql:8.4"),
        ("rabbitmq", "rabbitmq:4-management"),
        ("s3", "chrislusf/seaweedfs:3.97"),
        ("mail", "axllent/mailpit:v1.27"),
    ):
        docker.build("--target", target, *requirements, "--tag", tag, str(SERVERS))
