"""The site has every document once, and no link that leads nowhere. `make docs-site` builds it, which CI does too."""

from pathlib import Path

import pytest

from tests.site.staging import files, navigation, without_outside_links


def test_every_document_is_in_the_navigation_once() -> None:
    pages = navigation()
    assert len(pages) > 30
    assert len(set(pages)) == len(pages)
    # People find the code of conduct where they contribute.
    assert {str(path) for path in files() if path.suffix == ".md"} - set(pages) == {"CODE_OF_CONDUCT.md"}
    assert set(pages) <= {str(path) for path in files()}


@pytest.mark.parametrize(
    ("text", "staged"),
    [
        ("see [limits](limits.md#uploads)", "see [limits](limits.md#uploads)"),
        ("see [the readme](../README.md)", "see [the readme](../README.md)"),
        ("see [test_matrix.py](../tests/api/test_matrix.py)", "see test_matrix.py"),
        ("see [all](../docs/decisions) and [nothing](nothing.md)", "see all and nothing"),
        ("![a picture](scaling-parts.svg)", "![a picture](scaling-parts.svg)"),
        ("[uv](https://docs.astral.sh/uv/), [here](#above)", "[uv](https://docs.astral.sh/uv/), [here](#above)"),
    ],
)
def test_links_that_lead_out_of_the_site_become_words(text: str, staged: str) -> None:
    """The site should be whole by itself: it does not know where the repository is published."""
    assert without_outside_links(Path("docs/settings.md"), text) == staged
