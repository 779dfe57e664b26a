"""docs/formats.md and the page list the formats as the engine has them."""

from tests.formats_document import DOCUMENT, PAGE_LIST, page_list, sections
from video2mp3.engine.formats import CODECS, CONTAINERS


def test_the_document_equals_the_lists() -> None:
    """It should have each table; `python -m tests.formats_document` writes them."""
    text = DOCUMENT.read_text()
    assert [
        name for name, table in sections().items() if f"<!-- {name} -->\n\n{table}\n\n<!-- end -->" not in text
    ] == []


def test_the_page_has_the_same_extensions() -> None:
    """It should offer each in its file chooser."""
    assert PAGE_LIST.read_text() == page_list()


def test_no_container_and_no_decoder_is_listed_twice() -> None:
    """It should be possible to say which line of the lists allows a demuxer or decoder."""
    demuxers = [container.demuxer for container in CONTAINERS]
    decoders = [decoder for codec in CODECS for decoder in codec.decoders]
    assert len(set(demuxers)) == len(demuxers)
    assert len(set(decoders)) == len(decoders)
