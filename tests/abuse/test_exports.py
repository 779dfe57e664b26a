"""An account asks for exports and reads none: each holds a file on the disk, of which it should have one at most."""

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from tests.abuse.conftest import StartService
from tests.abuse.flood import flood
from tests.acceptance.service import Service
from tests.servers import wait_until
from video2mp3.api.accounts import data_export
from video2mp3.api.accounts.open_exports import OpenExports

EXPORTS = 12
PATH = "/v1/me/export"
FILE_BYTES = 20 * 1024**2
"""More than a connection's buffers take, so that an export whose client does not read stays open."""


def with_a_long_history() -> None:
    """Every account is told of as one with thousands of conversions is."""
    facts = data_export._facts

    def longer(*arguments: Any) -> Iterator[str]:
        yield from facts(*arguments)
        for _ in range(FILE_BYTES // 1024):
            yield " " * 1024

    data_export._facts = longer  # type: ignore[assignment]


def without_the_limit() -> None:
    """The control: any number of exports may be open."""
    with_a_long_history()
    OpenExports.one_more = lambda self, user_id: nullcontext()  # type: ignore[method-assign, assignment, return-value]


def open_files(service: Service) -> list[int]:
    """The sizes of the files that the service holds open though they have no name any more."""
    folder = Path(f"/proc/{service.roles['serve'].process.pid}/fd")
    sizes = []
    for descriptor in folder.iterdir():
        try:
            name = str(descriptor.readlink())
            if name.endswith("(deleted)") and name.startswith(str(service.folder)):
                sizes.append(descriptor.stat().st_size)
        except FileNotFoundError:
            continue
    return sizes


def test_an_account_has_one_export_at_a_time(start_service: StartService) -> None:
    with start_service(with_a_long_history) as service, service.user("ada") as ada, service.user("bob") as bob:
        with flood(ada, "GET", PATH, [b""] * EXPORTS) as exports:
            heads = exports.heads(60)
            assert sorted(int(head.split()[1]) for head in heads) == [200] + [429] * (EXPORTS - 1)
            refused = [head.lower() for head in heads if " 429 " in head]
            assert all("retry-after: " in head for head in refused)
            assert [size > FILE_BYTES // 2 for size in open_files(service)] == [True]
            # Another user's is made and sent meanwhile; its end makes room for the next.
            for _ in range(2):
                assert bob.get(PATH).status_code == 200
            assert ada.get(PATH).status_code == 429
            assert len(open_files(service)) == 1
        # The client is gone: so is the file, and there is room for another export.
        wait_until(lambda: not open_files(service), 30, "the file to be closed")
        wait_until(lambda: ada.get(PATH).status_code == 200, 30, "an export to be made")
        wait_until(lambda: not open_files(service), 30, "the file to be closed")


def test_without_the_limit_all_are_held(start_service: StartService) -> None:
    with start_service(without_the_limit) as service, service.user("ada") as ada, ExitStack() as stack:
        for number in range(1, 5):
            assert stack.enter_context(flood(ada, "GET", PATH, [b""])).statuses(60) == [200]
            assert len(open_files(service)) == number
            assert sum(open_files(service)) > number * FILE_BYTES // 2
