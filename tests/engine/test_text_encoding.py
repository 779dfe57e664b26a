"""Tags that are not UTF-8: how they are read, by their bytes alone and out of files."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from tests.engine.sounds import write_wav
from video2mp3.engine import FileSource, probe
from video2mp3.engine.child.metadata.text_encoding import FALLBACK, TagDecoder, encoding_of

TITLES = {
    "cp1252": (
        "Café Zürich|Beyoncé|Für Elise|Motörhead|Björk - Jóga|Sigur Rós|Señorita|El Niño|Garçon|Déjà vu|Ænima|"
        "Mötley Crüe|Coração|São Paulo|Übermut|Die Ärzte – Schrei nach Liebe|L’été|Ça va|¿Qué pasa?|¡Olé!|"
        "Perché no|È vero|Åse|Smørrebrød|Straße|Größe|Où est la plage|Naïve|Þórður|Canção|©2009 Café|Don’t stop|"
        "“Heroes”|Citroën|Les élèves|Œuvre|À bientôt|Tränen lügen nicht|Crème brûlée"
    ),
    "cp1250": (
        "Zażółć gęślą jaźń|Dvořák|Łódź|Příliš žluťoučký kůň|Český rozhlas|Magyar népdalok|Erdő|Hűség|Gyöngyhajú lány|"
        "Śpiewnik|Właśnie tak|Źródło|Różowe okulary|Čechomor|Škoda lásky|Życie|Sťahovaví vtáci|Đorđe Balašević|"
        "Łąka|Trenčín"
    ),
    "cp1251": (
        "Привет мир|Группа крови|Кино|Звезда по имени Солнце|ДДТ|Это всё|Мій рідний край|ВЫСОЦКИЙ|Любэ - Конь|"
        "Пикник (live)|Лекция 1. Введение|Българска музика|Київ"
    ),
    "cp1253": "Καλημέρα κόσμε|Θεσσαλονίκη|Μίκης Θεοδωράκης|Ελλάδα|ΖΟΡΜΠΑΣ|Άγιος|Το τραγούδι μου|Αθήνα",
    "cp1254": "İstanbul|Şımarık|Barış Manço|Gülşen|Türkçe Şarkılar|Ağla|Sezen Aksu - Şarkı|Çılgın|Işık|Göğe Bakalım",
    "cp1255": "שלום עולם|ירושלים של זהב",
    "cp1256": "مرحبا بالعالم|فيروز|أم كلثوم",
    "cp874": "สวัสดีชาวโลก|เพลงไทย",
    "cp866": "Привет мир|Группа крови|Кино|Лекция 5|Высоцкий|АЛИСА|Звезда по имени Солнце",
    "koi8-r": "Привет мир|Группа крови|Кино|Лекция 5|Высоцкий|МАШИНА ВРЕМЕНИ|Звезда",
    "shift_jis": "こんにちは世界|テスト|さくら|君の名は|宇多田ヒカル|第一章|千と千尋の神隠し|音楽|日本語|東京",
    "euc-jp": "こんにちは世界|テスト|さくら|君の名は|宇多田ヒカル|第一章|音楽|日本語|東京",
    "gbk": "你好世界|月亮代表我的心|邓丽君|中文歌曲|第一章|北京欢迎你|音乐|周杰伦 - 青花瓷|东方红|朋友",
    "big5": "你好世界|月亮代表我的心|鄧麗君|中文歌曲|第一章|台北|周杰倫|音樂|朋友",
    "euc-kr": "안녕하세요|사랑|강남스타일|아리랑|한국어 노래|방탄소년단 - 봄날|제1장|서울|음악",
}
CASES = [(encoding, title) for encoding, titles in TITLES.items() for title in titles.split("|")]


@pytest.mark.parametrize(("encoding", "title"), CASES)
def test_a_title_is_read_in_its_encoding(encoding: str, title: str) -> None:
    raw = title.encode(encoding)
    assert raw.decode(encoding_of([raw])) == title


@pytest.mark.parametrize("title", TITLES["cp1252"].split("|"))
def test_latin_1_is_believed_where_it_is_claimed(title: str) -> None:
    raw = title.encode("cp1252")
    assert raw.decode(encoding_of([raw], FALLBACK)) == title


FOREIGN = [
    (encoding, titles.split("|")[0]) for encoding, titles in TITLES.items() if encoding not in ("cp1252", "cp1254")
]


@pytest.mark.parametrize(("encoding", "title"), [*FOREIGN, ("cp1250", "Hűség"), ("cp1254", "Barış Manço")])
def test_latin_1_is_not_believed_where_it_makes_no_sense(encoding: str, title: str) -> None:
    text = title.encode(encoding).decode("latin-1")
    assert TagDecoder([text], FALLBACK, [text]).decoded(text) == title


def test_all_tags_of_a_file_decide_together() -> None:
    """It should read a word that is ambiguous alone like the others."""
    words = [word.encode("cp1254") for word in ("Dağlar Dağlar", "Barış Manço")]
    assert encoding_of(words[:1]) == "cp1252"
    assert encoding_of(words) == "cp1254"


@pytest.mark.parametrize("title", ["Привет", "Žluťoučký kůň"])
def test_a_character_that_is_cut_off_is_left_out(title: str) -> None:
    assert TagDecoder([cut := escaped(title.encode()[:-1])]).decoded(cut) == title[:-1]


@pytest.mark.parametrize("raw", [b"Caf\xc3\xa9 \xff", b"\x81\x8d\xff", b"\xff\xfe\x00", bytes(range(256))])
def test_damaged_text_has_no_replacement_characters(raw: bytes) -> None:
    text = TagDecoder([escaped(raw)]).decoded(escaped(raw))
    assert text.encode()
    assert "\ufffd" not in text


def escaped(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def test_utf_8_is_left_alone() -> None:
    """It should also read UTF-8 that the file calls Latin-1."""
    assert TagDecoder(["Ïðèâåò", escaped(b"\xcf\xf0")]).decoded("Ïðèâåò") == "Ïðèâåò"
    twice = "Café".encode().decode("latin-1")
    assert TagDecoder([twice], FALLBACK, [twice]).decoded(twice) == "Café"
    assert TagDecoder(["Café ☕"], FALLBACK, ["Café ☕"]).decoded("Café ☕") == "Café ☕"


PLACEHOLDER = b"XXXXXXXXXX"
TITLE = "Привет мир"
CP1251 = TITLE.encode("cp1251")
IN_UTF_16 = (PLACEHOLDER.decode().encode("utf-16-le"), CP1251.decode("latin-1").encode("utf-16-le"))
FILES = {
    "riff-info.wav": (),
    "riff-info.avi": (),
    "name.aiff": (),
    "vorbis-comment.flac": (),
    "onmetadata.flv": ("-c:a", "aac"),
    "ilst.mp4": (),
    "udta.mov": (),
    "utf-8.mp3": (),
    "id3v1.mp3": ("-id3v2_version", "0"),
}


@pytest.mark.parametrize("name", FILES)
def test_titles_of_containers_are_read_in_the_code_page_of_a_country(name: str, tmp_path: Path) -> None:
    assert title_of(name, tmp_path, FILES[name], PLACEHOLDER, CP1251) == TITLE


@pytest.mark.parametrize(
    ("name", "placeholder", "written", "read"),
    [
        ("latin-1.mp3", b"\3" + PLACEHOLDER, b"\0" + CP1251, TITLE),
        ("latin-1.mp3", b"\3" + PLACEHOLDER, b"\0" + "Sigur Rós ".encode("latin-1"), "Sigur Rós"),
        ("utf-16.wma", *IN_UTF_16, TITLE),
        ("mac.mov", b"\x55\xc4" + PLACEHOLDER, b"\0\0" + "Café Zürü ".encode("mac_roman"), "Café Zürü"),
        ("mac.mov", b"\x55\xc4" + PLACEHOLDER, b"\0\0" + "Café Zürü ".encode("cp1252"), "Café Zürü"),
    ],
)
def test_a_claimed_encoding_is_only_believed_if_it_is_likely(
    name: str, placeholder: bytes, written: bytes, read: str, tmp_path: Path
) -> None:
    assert title_of(name, tmp_path, (), placeholder, written) == read


def title_of(name: str, folder: Path, arguments: Sequence[str], placeholder: bytes, written: bytes) -> str | None:
    metadata = ("-metadata", f"title={PLACEHOLDER.decode()}")
    path = make(folder / name, "-f", "lavfi", "-i", "sine=d=0.1", *metadata, *arguments)
    data = path.read_bytes()
    if name == "id3v1.mp3":
        data += b"TAG" + placeholder.ljust(125, b"\0")
    assert placeholder in data
    path.write_bytes(data.replace(placeholder, written))
    with FileSource(path) as source:
        return probe(source).title


def test_a_file_name_that_is_not_utf_8_becomes_a_title(tmp_path: Path) -> None:
    path = write_wav(tmp_path / os.fsdecode("Café Zürich.wav".encode("latin-1")), 8000)
    assert converted(path, tmp_path / "a.mp3").title == "Café Zürich"
