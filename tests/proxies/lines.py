"""The lines of docs/proxies.md, run by the programs that they are for."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.proxies import Caddy, Nginx, ProxyServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "proxies.md"
PROGRAMS = ("nginx", "Caddy")
UPSTREAM = "127.0.0.1:8000"


@dataclass(frozen=True)
class Layout:
    """Where the document puts the service."""

    host: str
    path: str

    @property
    def public_url(self) -> str:
        return f"https://{self.host}{self.path}".rstrip("/")


OWN_HOST = Layout("mp3.example.org", "/")
BELOW_A_PATH = Layout("example.org", "/mp3/")
LAYOUTS = (OWN_HOST, BELOW_A_PATH)


def section(title: str) -> str:
    """What stands under that heading."""
    return DOCUMENT.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(title: str) -> list[str]:
    """The blocks of code under that heading."""
    return re.findall(r"^```\w+\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


@contextmanager
def proxy(
    program: str, folder: Path, port: int, layout: Layout = BELOW_A_PATH, changes: Sequence[tuple[str, str]] = ()
) -> Iterator[ProxyServer]:
    """The program with the document's lines, before the service on that port; `changes` replace some of them."""
    lines = _with_port(program, port, layout, changes)
    name = f"{program}-{len(list(folder.iterdir()))}"
    server: Nginx | Caddy
    if program == "nginx":
        upstream, location = lines
        server = Nginx(folder / name, layout.host, location, upstream)
    else:
        server = Caddy(folder / name, layout.host, *lines)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _with_port(program: str, port: int, layout: Layout, changes: Sequence[tuple[str, str]]) -> list[str]:
    found = blocks(program)
    of_layout = found[-2:][LAYOUTS.index(layout)]
    lines = [*found[:-2], of_layout]
    assert sum(text.count(UPSTREAM) for text in lines) == 1
    for former, new in (*changes, (UPSTREAM, f"127.0.0.1:{port}")):
        assert any(former in text for text in lines), former
        lines = [text.replace(former, new) for text in lines]
    return lines
