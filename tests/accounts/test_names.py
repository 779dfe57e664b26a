"""Names that nobody can mistake for another: PRECIS UsernameCaseMapped (RFC 8265), no mixed scripts (UTS 39)."""

import pytest

from tests.accounts import scripts_table
from video2mp3.accounts import names
from video2mp3.accounts.look_alikes import look_alikes
from video2mp3.accounts.scripts import TABLE, mixed_scripts
from video2mp3.errors import InvalidRequest

GOOD = [
    "ada", "Ada", "ada@example.org", "ada+mp3@example.org", "a_b-c.d", "user 1", "O'Brien", "émile", "Straße",
    "иван", "Δημήτρης", "अनिल", "משה", "محمد", "สมชาย", "김철수", "山田太郎", "やまだ", "ヤマダ",
    "山田Taro", "ｱｲｳ", "김Chul", "ａｄａ", "x1", "1",
]  # fmt: skip
INVISIBLE = [
    "\u3164",
    "a\u3164",
    "\u2800",
    "a\u2800b",
    "\u00ad",
    "a\u00adb",
    "a\u200db",
    "a\u200bb",
    "a\u2060b",
    "\u115f",
    "\uffa0",
]
LOOK_ALIKE = [
    "\u0430dmin",
    "adm\u0456n",
    "r\u03bfot",
    "ad\u0585",
    "\u13aada",
    "ada@ex\u0430mple.org",
    "山a\u0430",
]
SYMBOLS = ["🎵", "a🎵", "½", "Ⅷ", "ﬁx", "µ", "a\u00a0b", "a\u3000b", "a\tb", "\ud800", "\ue000", "\U000e0041"]


@pytest.mark.parametrize("name", GOOD)
def test_names_in_any_script_are_taken(name: str) -> None:
    names.check(name)


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
def test_what_cannot_be_seen_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"U\+[0-9A-F]{4}"):
        names.check(name)


@pytest.mark.parametrize("name", LOOK_ALIKE, ids=ascii)
def test_look_alikes_of_another_script_are_refused(name: str) -> None:
    """It should say which scripts are mixed."""
    with pytest.raises(InvalidRequest, match=r"look alike, of \w+( and \w+)+; use one"):
        names.check(name)


@pytest.mark.parametrize("name", SYMBOLS, ids=ascii)
def test_symbols_and_other_forms_of_letters_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="The username may not have the character"):
        names.check(name)


@pytest.mark.parametrize(("name", "why"), [("a  b", "space"), (" a", "space"), ("a:b", "colon"), ("a\u0661", "order")])
def test_the_reason_is_told(name: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        names.check(name)


def test_scripts_that_people_write_together_are_not_mixed() -> None:
    assert mixed_scripts("Tōkyō東京とうきょうトーキョー1") == []
    assert mixed_scripts("Seoul서울首爾") == []
    assert mixed_scripts("台北ㄊㄞ") == []
    assert mixed_scripts("서울とう") == ["Hangul", "Hiragana"]


def test_the_table_is_unicode_s_own() -> None:
    if not scripts_table.SOURCE.exists():
        pytest.skip("There is no Scripts.txt (Debian's package unicode-data).")
    if "Scripts-15.0.0" not in scripts_table.SOURCE.read_text("utf-8"):
        pytest.skip("It is of another version of Unicode.")
    assert TABLE.replace("\n  ", " ").strip() == scripts_table.table()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("\u0456", "i"),
        ("\u0430\u0441\u0435", "ACE"),
        ("\u0412\u041e\u0412", "bob"),
        ("\u0440\u043e\u0440\u0435_1", "pope_1"),
        ("\u03bf\u03c1", "op"),
        ("\u0440\u043e", "\u03c1\u03bf"),
        ("\u04cf\u043e\u0441\u0430\u04cf", "local"),
    ],
    ids=ascii,
)
def test_a_name_that_looks_like_another_is_known_both_ways(name: str, other: str) -> None:
    assert other.casefold() in look_alikes(name)
    assert name.casefold() in look_alikes(other)


@pytest.mark.parametrize("name", ["иван", "ада", "вера", "Δημήτρης", "김철수", "1", "山田太郎", "user 1"])
def test_names_that_look_like_no_other_are_left_alone(name: str) -> None:
    assert {alike for alike in look_alikes(name) if alike.isascii()} == set()
