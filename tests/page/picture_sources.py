"""What docs/screenshots were taken of: `make screenshots` records it beside them."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "docs" / "screenshots"
RECORD = SHOTS / "sources.sha256"
_WEB = ROOT / "web" / "src"


def digest() -> str:
    """Returns the SHA-256 of what decides the looks of the page: its markup, styles and English texts."""
    found = [*_WEB.rglob("*.svelte"), *_WEB.rglob("*.css"), *_WEB.rglob("en.json")]
    files = sorted(path for path in found if not path.is_relative_to(_WEB / "docs"))
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(_WEB)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
