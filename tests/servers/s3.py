"""An S3 server of the tests' own (moto's)."""

import itertools
import shutil
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.servers.programs import ServerProcess, can_connect, free_port
from video2mp3.storage.objects import ObjectStorage

_START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, as the settings want it."""

    url: str
    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    public_endpoint_url: str | None = None

    @property
    def name(self) -> str:
        return self.url.removeprefix("s3://").split("/")[0]

    def open(self, scratch_folder: Path) -> ObjectStorage:
        """Returns the bucket as a storage of ours."""
        return ObjectStorage(
            self.url,
            endpoint_url=self.endpoint_url,
            public_endpoint_url=self.public_endpoint_url,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            scratch_folder=scratch_folder,
        )


class S3Server:
    """A process that answers as S3 does; its data is in memory and ends with it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="video2mp3-s3-"))
        self._process: ServerProcess | None = None
        self._numbers = itertools.count(1)
        self.port = free_port()
        self.endpoint_url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the server on its port, with no buckets, and waits until it answers."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = ServerProcess(command, self._folder / "s3.log")
        self._process.wait_ready(lambda: can_connect(self.port), _START_TIMEOUT_S)

    def new_bucket(self) -> Bucket:
        """Makes an empty bucket."""
        return self.create_bucket(next(self._numbers))

    def create_bucket(self, number: int) -> Bucket:
        """Makes the bucket of that number (again, after the server ended)."""
        name = f"bucket-{number}"
        self._request("PUT", f"/{name}")
        return Bucket(f"s3://{name}/some/prefix", self.endpoint_url, "us-east-1", "an-access-key", "a-secret-key")

    def refuse_credentials(self, refuse: bool) -> None:
        """From now on (or no longer), requests need the credentials of an account, of which there is none."""
        self._request("POST", "/moto-api/reset-auth", b"0" if refuse else b"inf")

    def _request(self, method: str, path: str, body: bytes | None = None) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(self.endpoint_url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def kill(self) -> None:
        """Ends the server at once; its data is gone."""
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """Ends the server and deletes its log."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
