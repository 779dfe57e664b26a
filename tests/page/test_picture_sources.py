"""The pictures of the documents show the page as it is."""

import re

import pytest

from tests.page.picture_sources import RECORD, ROOT, SHOTS, digest


@pytest.mark.skipif(not RECORD.exists(), reason="`make screenshots` records of what the pictures were taken.")
def test_the_pictures_were_taken_of_this_page() -> None:
    """It should fail where markup, styles or texts changed since. `make screenshots` takes new ones; look at them."""
    assert RECORD.read_text().strip() == digest(), "the page has changed: run `make screenshots`, and look at them"


def test_the_readme_shows_every_picture() -> None:
    shown = re.findall(r"docs/screenshots/(\w+\.png)", (ROOT / "README.md").read_text())
    assert set(shown) == {path.name for path in SHOTS.glob("*.png")}
