import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import ID3, CTOCFlags

from video2mp3.engine.mp3.id3 import ID3_VERSIONS, clean_text, id3_tag


def read_back(tag: bytes) -> dict[str, str]:
    found: Any = ID3(io.BytesIO(tag))  # type: ignore[no-untyped-call]
    return {key: str(frame) for key, frame in found.items()}


both_versions = pytest.mark.parametrize("version", ID3_VERSIONS)


@both_versions
def test_another_reader_finds_the_texts(version: str) -> None:
    texts = {"TIT2": "Über 東京 🎧", "TDRC": "2023-01-15", "TSSE": "x"}
    tag = id3_tag(texts, "zwei Wörter", {"naïve": "plain", "a": "ß"}, version=version)
    assert tag[:5] == b"ID3" + bytes([int(version[2:]), 0])
    others = {"COMM::und": "zwei Wörter", "TXXX:naïve": "plain", "TXXX:a": "ß"}
    assert read_back(tag) == texts | others


@both_versions
@pytest.mark.parametrize(("date", "in_2_3"), [("2023", "2023"), ("2023-01", "2023"), ("2023-01-15", "2023-01-15")])
def test_a_date_is_as_exact_as_the_version_allows(date: str, in_2_3: str, version: str) -> None:
    assert read_back(id3_tag({"TDRC": date}, version=version)) == {"TDRC": in_2_3 if version == "2.3" else date}


@both_versions
@pytest.mark.parametrize("count", [1, 255, 256, 600])
def test_chapters_are_listed_in_tables_of_at_most_255_entries(count: int, version: str) -> None:
    chapters = [(1000 * n, 1000 * n + 1000, f"№ {n}") for n in range(count)]
    found: Any = ID3(io.BytesIO(id3_tag({}, chapters=chapters, version=version)))  # type: ignore[no-untyped-call]
    tables = {table.element_id: table for table in found.getall("CTOC")}
    (top,) = (table for table in tables.values() if table.flags & CTOCFlags.TOP_LEVEL)

    def listed(table: Any) -> list[str]:
        assert len(table.child_element_ids) <= 255
        return [
            entry for name in table.child_element_ids for entry in (listed(tables[name]) if name in tables else [name])
        ]

    by_name = {frame.element_id: frame for frame in found.getall("CHAP")}
    times = [(by_name[name].start_time, by_name[name].end_time) for name in listed(top)]
    assert times == [(start_ms, end_ms) for start_ms, end_ms, _ in chapters]
    assert [str(by_name[name].sub_frames["TIT2"]) for name in listed(top)] == [title for *_, title in chapters]


def test_no_text_makes_no_tag() -> None:
    assert id3_tag({"TIT2": " \0\n"}) == b""


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("two\r\nlines", "two lines"),
        ("nul\0inside", "nul inside"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("right\u202eto left", "right to left"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_text_of_strangers_is_one_bounded_line(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@both_versions
@given(text=st.text(max_size=2000))
def test_any_text_can_be_written_and_read_back(version: str, text: str) -> None:
    tag = id3_tag({"TIT2": text, "TSSE": "x"}, version=version)
    found = read_back(tag)
    assert found.get("TIT2", "") == clean_text(text).encode("utf-8", "replace").decode()
    assert version == "2.3" or b"\xff\xfb" not in tag
