"""docs/compatibility.md names the versions of the programs that run here."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.servers.programs import missing
from tests.servers.roots import root_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "compatibility.md"
PACKAGES = {
    "curl": "curl",
    "nginx": "nginx",
    "Caddy": "caddy",
    "MariaDB": "mariadb-server",
    "MySQL": "mysql-server",
    "RabbitMQ": "rabbitmq-server",
    "libfaketime": "faketime",
}


def shown(program: str, release: str) -> set[str]:
    """The versions of a program in the table; `release` is in the same cell, where it is not Debian 12."""
    row = rf"^\| [\w ]+ \| {program} \| ([\d.]+){re.escape(release)} \|"
    return set(re.findall(row, DOCUMENT.read_text("utf-8"), re.MULTILINE))


def installed(program: str, root: Path | None = None) -> str:
    """The version of a program's Debian package, without the epoch and the revision."""
    query = ["dpkg-query", f"--admindir={root or ''}/var/lib/dpkg", "-W", "-f", "${Version}", PACKAGES[program]]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    if found.returncode:
        missing(f"{program} (make tools)")
    return re.sub(r"^\d+:|-[^-]*$", "", found.stdout)


@pytest.mark.parametrize("program", sorted(PACKAGES.keys() - {"MySQL"}))
def test_the_table_has_the_versions_of_debian_12(program: str) -> None:
    if 'VERSION_ID="12"' not in Path("/etc/os-release").read_text("utf-8"):
        pytest.skip("The table is about the versions of Debian 12.")
    version = installed(program)
    assert [each for each in shown(program, "") if re.match(rf"{re.escape(each)}\b", version)], version


@pytest.mark.parametrize(("program", "release"), [("MySQL", " (Debian sid)"), ("RabbitMQ", " (Debian trixie)")])
def test_the_table_has_the_versions_of_the_newest_servers(program: str, release: str) -> None:
    root = root_of(program.upper())
    if root is None:
        pytest.skip("It needs servers of other Debian releases (make test-newest).")
    (version,) = shown(program, release)
    assert re.match(rf"{re.escape(version)}\b", installed(program, root))
