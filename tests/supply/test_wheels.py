"""Each supported system and Python installs everything from wheels whose hashes are locked. Needs no network."""

from collections.abc import Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.supply.locks import PARTS, ROOT
from tests.supply.wheels import LOCKS, TARGETS, Target, wheels

Tagged = dict[str, tuple[str, frozenset[object]]]


@pytest.fixture(scope="module")
def tagged() -> Tagged:
    """Per hash: the package with its version, and the tags of the wheel."""
    parsed = {digest: parse_wheel_filename(name) for digest, name in wheels().items()}
    return {digest: (f"{name}=={version}", tags) for digest, (name, version, _, tags) in parsed.items()}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_pin_has_a_wheel_whose_hash_is_locked(target: Target, tagged: Tagged) -> None:
    """It should be in the table, and run on that system; `make wheels` writes the table."""
    tags = target.tags
    without = [
        pin.name
        for pin in target.pins()
        if not any(
            tagged[digest][0] == f"{pin.name}=={pin.version}" and tags & tagged[digest][1]
            for digest in pin.sha256
            if digest in tagged
        )
    ]
    assert sorted(without) == sorted(target.no_wheel)


def test_the_table_has_no_wheel_that_is_not_locked(tagged: Tagged) -> None:
    locked = {digest for target in TARGETS for pin in target.pins() for digest in pin.sha256}
    assert tagged.keys() - locked == set()


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_everything_that_is_needed_there_is_pinned(target: Target) -> None:
    """It should hold for packages that one system or Python alone needs, which pip-compile elsewhere does not see."""
    pinned = {pin.name for pin in target.pins()}
    assert {canonicalize_name(need.name) for need in _needs(target, *LOCKS[target.system], *PARTS)} - pinned == set()


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_converting_and_pushing_need_no_compiler(target: Target) -> None:
    needed = {canonicalize_name(need.name) for need in _needs(target, "base", "client")}
    assert "av" in needed
    assert needed & target.no_wheel == set()


def _needs(target: Target, *parts: str) -> Iterator[Requirement]:
    """Yields what the requirements ask for, and what that needs in turn, as the installed packages tell it."""
    todo = [(need, "") for part in parts for need in _asked(part)]
    seen: set[tuple[str, str]] = set()
    while todo:
        need, wanted_extra = todo.pop()
        if need.marker and not need.marker.evaluate(target.environment | {"extra": wanted_extra}):
            continue
        yield need
        for extra in {"", *need.extras}:
            if (need.name, extra) not in seen:
                seen.add((need.name, extra))
                todo += [(Requirement(text), extra) for text in _requires(need.name)]


def _asked(name: str) -> list[Requirement]:
    lines = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("-", "#"))]


def _requires(name: str) -> list[str]:
    # Windows' own package is not installed here, and needs no other.
    return [] if name == "colorama" else metadata.requires(name) or []
