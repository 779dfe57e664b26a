"""The lock files pin everything, by hash; licences are known; the bill of materials has it all."""

import re

import pytest

from tests.supply import locks
from tests.supply.locks import NPM, PYTHON, ROOT, direct, licence_of, npm_packages, python_pins, sha512_of
from tests.supply.sbom import sbom

# What a program under Apache-2.0 may be handed on with; LGPL and MPL as libraries of their own, which they are.
ALLOWED = {"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "PSF-2.0", "LGPL-3.0-or-later"}
ALLOWED |= {"MPL-2.0"}
FAMILIES = ("Apache", "MIT", "BSD", "LGPL")


# The generator of clients needs other versions than the program, and has an environment for itself.
@pytest.mark.parametrize("name", [*PYTHON, "clients"])
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    """It should name no registry either, and have all that is asked for."""
    pins = python_pins(name)
    assert pins
    assert [pin.name for pin in pins if not pin.sha256] == []
    above = {"dev": ("runtime", "build"), "bench": ("dev",)}.get(name, ())
    assert direct(name) <= {pin.name for pin in pins} | {pin.name for one in above for pin in python_pins(one)}
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert re.findall(r"://|--(?:index|extra|find|trusted)\S*", text) == []


def test_no_two_lock_files_pin_different_versions() -> None:
    """It should be the same wherever they are installed together."""
    found: dict[str, set[str]] = {}
    for name in PYTHON:
        for pin in python_pins(name):
            found.setdefault(pin.name, set()).add(pin.version)
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("line", ["fastapi>=1", "fastapi", "-e .", "git+https://x.example/y", "--index-url x"])
def test_a_line_that_pins_nothing_is_noticed(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    root = type(ROOT)(str(tmp_path))
    (root / "requirements").mkdir()
    (root / "requirements" / "x.txt").write_text(f"a==1 \\\n    --hash=sha256:{'0' * 64}\n{line}\n")
    monkeypatch.setattr(locks, "ROOT", root)
    with pytest.raises(ValueError, match="line 3"):
        python_pins("x")


def test_what_is_shipped_has_a_licence_that_allows_it() -> None:
    licences = {pin.name: licence_of(pin.name) for pin in python_pins("runtime")}
    unknown = {
        name: licence
        for name, licence in licences.items()
        if licence is None or not set(re.split(r" (?:OR|AND) ", licence)) <= ALLOWED
    }
    assert unknown == {}


def test_the_documents_tell_the_licences_that_the_packages_have() -> None:
    shipped = (ROOT / "docs" / "dependencies.md").read_text().split("\n## At run time\n")[1].split("\n## ")[0]
    rows = [line for line in shipped.splitlines() if line.startswith("| ")]
    for name in direct("runtime"):
        (row,) = [row for row in rows if name in re.findall(r"[a-z0-9.-]+", row.split("|")[1].lower())]
        licence, told = licence_of(name) or "", row.rstrip("| ").rpartition("|")[2]
        # Of several to choose from, the table may tell fewer.
        assert any(family in licence and family in told for family in FAMILIES), (name, licence, told)


@pytest.mark.parametrize("path", NPM, ids=str)
def test_the_page_s_packages_are_pinned_with_hashes(path: object) -> None:
    packages = npm_packages(path)  # type: ignore[arg-type]
    assert len(packages) > 3
    assert [name for name, facts in packages.items() if len(sha512_of(facts["integrity"])) != 128] == []
    assert "://" not in "".join(facts.get("resolved", "") for facts in packages.values())


def test_the_bill_of_materials_has_all_that_is_locked_and_is_the_same_again() -> None:
    bill = sbom()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {(found["name"], found["version"]): found for found in bill["components"]}
    for pin in python_pins("runtime"):
        found = components[pin.name, pin.version]
        assert (found["scope"], len(found["hashes"])) == ("required", len(pin.sha256))
        assert found["licenses"]
    for path in NPM:
        for name, facts in npm_packages(path).items():
            assert (name, facts["version"]) in components
    refs = [found["bom-ref"] for found in bill["components"]]
    assert len(set(refs)) == len(refs)
    known = {*refs, "video2mp3"}
    assert all(edge["ref"] in known and set(edge["dependsOn"]) <= known for edge in bill["dependencies"])
    (own,) = [edge["dependsOn"] for edge in bill["dependencies"] if edge["ref"] == "video2mp3"]
    assert {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in own} == direct("runtime")
    assert sbom() == bill
