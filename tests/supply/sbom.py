"""Writes a bill of materials (CycloneDX 1.6, JSON) from the lock files: `python -m tests.supply.sbom FILE`.

Nothing is asked for over a network, and the same lock files give the same bytes: no time and no random number is in it.
"""

import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from tests.supply.locks import NPM, PARTS, ROOT, Pin, licence_of, npm_packages, python_pins, sha512_of


def sbom() -> dict[str, Any]:
    """Returns the bill: what is shipped is `required`, what only builds or tests is `excluded`."""
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    shipped = python_pins("runtime")
    tools = [pin for name in ("build", "dev") for pin in python_pins(name)]
    known = {pin.name for pin in shipped}
    pins = [*((pin, "required") for pin in shipped), *((pin, "excluded") for pin in tools if pin.name not in known)]
    components = {_purl(pin): _component(pin, scope) for pin, scope in pins}
    root: dict[str, Any] = {"type": "application", "bom-ref": "video2mp3", "name": "video2mp3", "version": version[1]}
    root["licenses"] = [{"license": {"id": "Apache-2.0"}}]
    for path in NPM:
        components |= {found["purl"]: found for found in map(_npm, npm_packages(path).items())}
    bill: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": [components[key] for key in sorted(components)],
        "dependencies": _dependencies([pin for pin, _ in pins]),
    }
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{name}", **bill}


def _purl(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def _component(pin: Pin, scope: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(pin),
        "name": pin.name,
        "version": pin.version,
        "purl": _purl(pin),
        "scope": scope,
        # One for each file that may be installed: a wheel for each platform, and the source.
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.sha256],
    }
    licence = licence_of(pin.name)
    return found | ({"licenses": _licences(licence)} if licence else {})


def _npm(item: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    name, facts = item
    purl = f"pkg:npm/{name.replace('@', '%40')}@{facts['version']}"
    found = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": facts["version"],
        "purl": purl,
        "scope": "excluded" if facts.get("dev") else "required",
        "hashes": [{"alg": "SHA-512", "content": sha512_of(facts["integrity"])}],
    }
    return found | ({"licenses": _licences(facts["license"])} if "license" in facts else {})


def _licences(text: str) -> list[dict[str, Any]]:
    if re.fullmatch(r"[A-Za-z0-9.-]+", text):
        return [{"license": {"id": text}}]
    if re.search(r"\b(OR|AND|WITH)\b", text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


def _dependencies(pins: list[Pin]) -> list[dict[str, Any]]:
    refs = {pin.name: _purl(pin) for pin in pins}
    needs: dict[str, set[str]] = {"video2mp3": set(), **{ref: set() for ref in refs.values()}}
    for pin in pins:
        for who in pin.wanted_by:
            if who in {f"-r requirements/{part}.in" for part in PARTS}:
                needs["video2mp3"].add(_purl(pin))
            elif who in refs:
                needs[refs[who]].add(_purl(pin))
    return [{"ref": ref, "dependsOn": sorted(below)} for ref, below in sorted(needs.items())]


if __name__ == "__main__":
    bill = sbom()
    Path(sys.argv[1]).write_text(json.dumps(bill, indent=2) + "\n")
    print(f"{sys.argv[1]}: {len(bill['components'])} components")
