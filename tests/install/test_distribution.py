"""What a stranger gets from the package index: the wheel and the sdist, in an environment outside the checkout."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.media import make_video
from tests.supply.locks import ROOT, python_pins


@pytest.fixture(scope="module")
def built() -> tuple[Path, Path]:
    """The sdist and the wheel of `make dist`."""
    subprocess.run(["make", "dist"], cwd=ROOT, check=True, capture_output=True, timeout=250)
    (sdist,), (wheel,) = (ROOT / "dist").glob("*.tar.gz"), (ROOT / "dist").glob("*.whl")
    return sdist, wheel


class Installation:
    """A fresh environment, and the programs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.versions = folder / "versions.txt"
        self.versions.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in python_pins("runtime")))
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("VIDEO2MP3_")}
        self.env |= {"HOME": str(folder), "VIDEO2MP3_DATA_DIR": str(folder / "data")}
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)

    def install(self, *packages: str) -> None:
        """Compiles nothing: the few modules that are used here are compiled as they are imported."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "--disable-pip-version-check"]
        pip += ["--quiet", "install", "--no-compile", "--constraint", str(self.versions)]
        subprocess.run([*pip, *packages], check=True, capture_output=True, cwd=self.folder)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "video2mp3"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=120)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    one = Installation(tmp_path_factory.mktemp("installation"))
    make_video(one.folder / "talk.mp4", 2)
    return one


@pytest.fixture(scope="module")
def without_extras(installation: Installation, built: tuple[Path, Path]) -> Installation:
    installation.install(str(built[1]))
    return installation


@pytest.fixture(scope="module")
def service(without_extras: Installation, built: tuple[Path, Path]) -> Iterator[tuple[Installation, str]]:
    """The installation with all extras, and the address where it serves."""
    without_extras.install(f"{built[1]}[client,service]")
    command = [str(without_extras.bin / "video2mp3"), "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=without_extras.folder,
        env=without_extras.env,
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            line = next(line for line in process.stdout if "http://" in line)
            match = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert match
            yield without_extras, match[0]
        finally:
            process.terminate()


def test_the_wheel_has_the_page_its_licenses_and_the_manual_page(built: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(built[1]).namelist()
    assert built[1].name.startswith("video2mp3_service-")
    assert "video2mp3/api/page/index.html" in names
    assert any(name.endswith(".dist-info/licenses/LICENSES/page.md") for name in names)
    assert any(name.endswith(".data/data/share/man/man1/video2mp3.1") for name in names)
    assert not any(name.startswith("tests/") for name in names)


def test_the_licenses_are_those_of_the_built_page(built: tuple[Path, Path]) -> None:
    """The build lists what it bundles."""
    with zipfile.ZipFile(built[1]) as wheel:
        listed = wheel.read("video2mp3/api/page/page/licenses.md").decode()
    assert (ROOT / "LICENSES" / "page.md").read_text() == listed
    assert "## svelte - " in listed


def test_converting_needs_no_extra(without_extras: Installation) -> None:
    done = without_extras.run("convert", "talk.mp4", "-o", "base.mp3")
    assert (done.returncode, (without_extras.folder / "base.mp3").read_bytes()[:3]) == (0, b"ID3"), done.stderr


@pytest.mark.parametrize(("command", "extra"), [("serve", "service"), ("doctor", "service"), ("push", "client")])
def test_a_missing_extra_is_named_with_its_remedy(without_extras: Installation, command: str, extra: str) -> None:
    arguments = ["talk.mp4", "--server", "http://127.0.0.1:9"] if command == "push" else []
    done = without_extras.run(command, *arguments)
    assert done.returncode == 2
    assert done.stderr == (
        f"video2mp3: `{command}` needs the extra [{extra}], which is not installed. "
        f"Install it with: pip install 'video2mp3-service[{extra}]'\n"
    )


def test_the_library_names_the_missing_extra(without_extras: Installation) -> None:
    code = "import video2mp3.client"
    done = subprocess.run([without_extras.bin / "python", "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: The client needs the extra [client]. "
        "Install it with: pip install 'video2mp3-service[client]'"
    )


def test_it_serves_its_page_and_takes_what_is_pushed(service: tuple[Installation, str]) -> None:
    installation, url = service
    page = httpx.get(url, headers={"Accept": "text/html"}).text
    (script,) = re.findall(r'<script[^>]* src="(?:\./|/)?(page/assets/[^"]+\.js)"', page)
    assert httpx.get(f"{url}/{script}").headers["content-type"].startswith("text/javascript")
    done = installation.run("push", "talk.mp4", "--server", url, "-o", "pushed.mp3", "--force")
    assert (done.returncode, (installation.folder / "pushed.mp3").read_bytes()[:3]) == (0, b"ID3"), done.stderr


def test_the_sdist_installs_what_the_wheel_does(
    installation: Installation, built: tuple[Path, Path], tmp_path: Path
) -> None:
    """It should build with what it declares alone, and to the same files."""
    installation.install("--no-deps", "--target", str(tmp_path), str(built[0]))
    with zipfile.ZipFile(built[1]) as wheel:
        packed = {name: wheel.read(name) for name in wheel.namelist() if name.startswith("video2mp3/")}
    found = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in (tmp_path / "video2mp3").rglob("*")
        if path.is_file()
    }
    assert found == packed


def test_the_formula_names_the_sdist_by_its_hash(built: tuple[Path, Path]) -> None:
    """Homebrew installs from the sdist, with the wheels that its lock file names."""
    subprocess.run(["make", "formula", "REPOSITORY=ada/video2mp3"], cwd=ROOT, check=True, capture_output=True)
    formula = (ROOT / "build" / "video2mp3.rb").read_text()
    assert f'sha256 "{hashlib.sha256(built[0].read_bytes()).hexdigest()}"' in formula
    assert f"/ada/video2mp3/releases/download/v0.1.0/{built[0].name}" in formula
    assert not re.search("REPOSITORY|VERSION|SHA256", formula)
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"requirements/build.txt", "requirements/runtime.txt"} <= names
