"""Finds the encoding of tags that are not UTF-8. Runs in the child.

Such tags are a few words long, and nothing names their language. Therefore all of them are judged together, by the
characters that each encoding makes of their bytes. A character costs about the negative natural logarithm of its share
in the texts of a language; the encoding with the least costs wins.
"""

import codecs
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from video2mp3.engine.child.metadata.character_statistics import (
    ALPHABETS,
    HANGUL,
    KANJI,
    LATIN,
    SIMPLIFIED,
    TRADITIONAL,
)

FALLBACK = "cp1252"
MAC_ROMAN = "mac_roman"
_MAX_JUDGED_BYTES = 4000
"""Of all texts together: they are judged in 0.1 s."""

_ESCAPED = re.compile("[\udc80-\udcff]")
_CUT_OFF = re.compile("[\udc80-\udcff]+$")
"""The rest of the last character, which FFmpeg may cut where it reads Mac Roman."""
_CLAIMED = 2.0
"""By how much a claim lowers the cost."""
_ASCII = 3.0
_UNUSUAL = 9.5
"""Letters that no language of the encoding has, or a rare ideograph."""
_STRANGE = 14.0
"""A control character, a symbol, or an ideograph of the extensions."""
_MIXED = 6.0
"""Letters of two scripts beside each other."""
_CAPITAL_INSIDE = 5.0
"""A capital letter behind a small one."""
_CAPITALS = 0.25
"""A capital letter behind a capital letter."""
_UNUSUAL_NEIGHBOR = 2.0
_NO_VOWEL = 2.0
"""For each consonant above three without a vowel between them."""
_INCOMPLETE = 10.0
"""An incomplete character at the end of a text."""
_FOREIGN = 4.0
"""The text has more of a to z than letters of the encoding's script."""
_NO_CAPITAL = 1.5
"""A text of small letters."""
_PUNCTUATION = dict.fromkeys("’–“”„…«»¿¡", 6.0) | dict.fromkeys("‘—°©®™№²³½×ºª\xa0", 7.5)
_OPENING = "¿¡„«"
_EAST_ASIAN_PUNCTUATION = "、。「」『』・ー～〜！？（）：，《》【】＆．　"
_CYRILLIC_VOWELS = frozenset("аеёиоуыэюяіїєўьъй")
_HANDICAPS = {"cp1252": 0.0, "cp1250": 1.2, "cp1254": 1.5, "cp1257": 4.0, "cp1251": 2.5, "is": 4.0}
"""Costs because encodings and languages are rare."""
_NO_LETTER = " "


@dataclass(frozen=True)
class _Candidate:
    encoding: str
    cost: Callable[[Sequence[str]], float]
    handicap: float = 0.0
    """Cost because the encoding is rare."""


class TagDecoder:
    """Decodes the tags of a file, which PyAV returns with `surrogateescape`."""

    def __init__(self, texts: Collection[str], claimed: str | None = None, claimed_texts: Collection[str] = ()) -> None:
        """Finds the encodings.

        Args:
            texts: all tags.
            claimed: the encoding, `FALLBACK` or `MAC_ROMAN`, in which FFmpeg has read some tags because the file claims
                it. The claim is often wrong.
            claimed_texts: these tags.
        """
        self._claimed = claimed
        self._claimed_texts = frozenset(claimed_texts)
        self._encoding = _found([_escaped_bytes(text) for text in texts if not self._claimed_bytes(text)])
        self._true_encoding = _found([self._claimed_bytes(text) for text in self._claimed_texts], claimed)

    def decoded(self, text: str) -> str:
        """Returns a tag without escaped bytes."""
        if text.isascii():
            return text
        if self._true_encoding and (raw := self._claimed_bytes(text)):
            return _without_errors(raw, self._true_encoding)
        if self._encoding and (raw := _escaped_bytes(text)):
            return _without_errors(raw, self._encoding)
        return text

    def _claimed_bytes(self, text: str) -> bytes:
        """Returns the bytes of a text in a claimed encoding."""
        if text.isascii() or text not in self._claimed_texts:
            return b""
        try:
            if self._claimed == FALLBACK:  # FFmpeg reads Latin-1
                return text.encode("latin-1")
            return _CUT_OFF.sub("", text).encode(MAC_ROMAN)
        except UnicodeEncodeError:
            return b""


def _escaped_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if _ESCAPED.search(text) else b""


def _found(texts: Sequence[bytes], claimed: str | None = None) -> str | None:
    foreign = [text for text in texts if text]
    return encoding_of(foreign, claimed) if foreign else None


def _without_errors(raw: bytes, encoding: str) -> str:
    return decoded_up_to_the_end(raw, encoding, "ignore")


def encoding_of(texts: Sequence[bytes], claimed: str | None = None) -> str:
    """Returns the encoding of texts that are not ASCII.

    Args:
        texts: all in the same encoding.
        claimed: an encoding that is more likely than the others.
    """
    if _is_utf_8(texts):
        return "utf-8"
    judged = _beginning(texts, _MAX_JUDGED_BYTES)
    costs = {FALLBACK: _STRANGE * sum(map(len, judged))}
    for candidate in _CANDIDATES:
        if candidate.encoding == MAC_ROMAN != claimed:
            continue
        bonus = _CLAIMED if candidate.encoding == claimed else 0.0
        try:
            decoded = [decoded_up_to_the_end(text, candidate.encoding) for text in judged]
        except UnicodeDecodeError:
            continue
        lost = sum(len(text) - len(d.encode(candidate.encoding)) for text, d in zip(judged, decoded, strict=True))
        costs[candidate.encoding] = candidate.cost(decoded) + candidate.handicap - bonus + _INCOMPLETE * lost
    return min(costs, key=lambda encoding: costs[encoding])


def _beginning(texts: Sequence[bytes], size_bytes: int) -> list[bytes]:
    kept = []
    for text in texts:
        kept.append(text[:size_bytes])
        size_bytes -= len(text)
        if size_bytes <= 0:
            break
    return kept


def decoded_up_to_the_end(text: bytes, encoding: str, errors: str = "strict") -> str:
    """Decodes a text; leaves out an incomplete last character, which fields of fixed length have.

    Raises:
        UnicodeDecodeError: the text is not in this encoding.
    """
    return codecs.getincrementaldecoder(encoding)(errors).decode(text)


def _is_utf_8(texts: Sequence[bytes]) -> bool:
    try:
        decoded = [decoded_up_to_the_end(text, "utf-8") for text in texts]
    except UnicodeDecodeError:
        return False
    return not any(text.isascii() for text in decoded)


def _neighbors(text: str) -> Iterator[tuple[str, str, str]]:
    """Yields each character with those before and after it."""
    padded = f"{_NO_LETTER}{text}{_NO_LETTER}"
    yield from zip(padded, text, padded[2:], strict=False)


def _case_cost(before: str, character: str, after: str) -> float:
    if not character.isupper():
        return 0.0
    if before.isupper():
        return _CAPITALS + _CAPITAL_INSIDE * after.islower()
    return _CAPITAL_INSIDE * before.islower()


def _other_cost(before: str, character: str) -> float:
    if character in _OPENING and before.isalnum():
        return _UNUSUAL
    return _PUNCTUATION.get(character, _UNUSUAL if character.isalpha() else _STRANGE)


# -- Latin letters ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Language:
    """Letters of a language beside a to z."""

    handicap: float
    costs: Mapping[str, float]
    before: Mapping[str, str]
    after: Mapping[str, str]

    @classmethod
    def parse(cls, name: str, line: str) -> "_Language":
        letters = [letter.split(":") for letter in line.split(" ")]
        return cls(
            _HANDICAPS.get(name, 0.0),
            {letter[0]: int(letter[1:]) / 10 for letter, *_ in letters},
            {letter[0]: before for letter, before, _ in letters},
            {letter[0]: after for letter, _, after in letters},
        )

    def cost(self, text: str) -> float:
        return sum(self._cost(*around) + _case_cost(*around) for around in _neighbors(text))

    def _cost(self, before: str, character: str, after: str) -> float:
        if character.isascii():
            return _ASCII
        letter = _small(character)
        if letter not in self.costs:
            return _other_cost(before, character)
        unusual = (_small(before) not in self.before[letter]) + (_small(after) not in self.after[letter])
        return self.costs[letter] + _UNUSUAL_NEIGHBOR * unusual


def _small(character: str) -> str:
    if character == "İ":
        return character  # in lower case it is two characters
    return character.lower() if character.isalpha() else "_"


def _latin_cost(languages: Sequence[_Language], texts: Sequence[str]) -> float:
    return min(language.handicap + sum(language.cost(text) for text in texts) for language in languages)


# -- other alphabets --------------------------------------------------------------------------------


def _alphabet_cost(ranks: Mapping[str, int], texts: Sequence[str]) -> float:
    return sum(_alphabet_text_cost(ranks, text) for text in texts)


def _alphabet_text_cost(ranks: Mapping[str, int], text: str) -> float:
    cost, consonants, latin, own = 0.0, 0, 0, 0
    for before, character, after in _neighbors(text):
        rank = ranks.get(character.lower())
        cost += _case_cost(before, character, after)
        if rank is None:
            cost += _ASCII if character.isascii() else _other_cost(before, character)
            consonants = 0
            latin += character.isascii() and character.isalpha()
            continue
        own += 1
        cost += 2.0 + 0.115 * rank
        cost += _MIXED * sum(near.isascii() and near.isalpha() for near in (before, after))
        is_consonant = "а" <= character.lower() <= "џ" and character.lower() not in _CYRILLIC_VOWELS
        consonants = consonants + 1 if is_consonant else 0
        cost += _NO_VOWEL * (consonants > 3)
    has_no_capital = text.lower() == text != text.upper()
    return cost + _FOREIGN * (latin > own) + _NO_CAPITAL * has_no_capital


# -- East Asia --------------------------------------------------------------------------------------


class _EastAsian:
    def __init__(self, encoding: str, frequent: str, common: tuple[int, int]) -> None:
        """Takes the frequent characters, and the first and last lead byte of common ones."""
        self.encoding = encoding
        self._ranks = {character: rank for rank, character in enumerate(frequent)}
        self._common = common

    def cost(self, texts: Sequence[str]) -> float:
        return sum(self._cost(*around) for text in texts for around in _neighbors(text))

    def _cost(self, before: str, character: str, after: str) -> float:
        if character.isascii():
            return _ASCII
        mixed = sum(near.isascii() and near.isalpha() for near in (before, after))
        return 3 * mixed + self._alone(character)

    def _alone(self, character: str) -> float:
        if character in _EAST_ASIAN_PUNCTUATION:
            return 6.0
        if "\u3041" <= character <= "\u30fe":
            return 4.5 if self.encoding in ("cp932", "euc_jp") else 11.0
        if "\uff61" <= character <= "\uff9f":  # half-width katakana
            return 7.5
        if (rank := self._ranks.get(character)) is not None:
            return 4.5 + 2.5 * rank / len(self._ranks)
        encoded = character.encode(self.encoding)
        is_common = self._common[0] <= encoded[0] <= self._common[1] and character.isalpha()
        if self.encoding in ("gbk", "cp949") and encoded[-1] < 0xA1:
            is_common = False
        return _UNUSUAL if is_common else _STRANGE


def _candidates() -> Iterator[_Candidate]:
    for encoding, lines in (*LATIN.items(), (MAC_ROMAN, LATIN[FALLBACK])):
        languages = [_Language.parse(name, line) for name, line in lines.items()]
        yield _Candidate(encoding, partial(_latin_cost, languages), _HANDICAPS.get(encoding, 2.0))
    for encoding, letters in ALPHABETS.items():
        ranks = {letter: rank for rank, letter in enumerate(letters)}
        yield _Candidate(encoding, partial(_alphabet_cost, ranks), _HANDICAPS.get(encoding, 4.0))
    for encoding, frequent, common in (
        ("gbk", SIMPLIFIED, (0xB0, 0xD7)),
        ("cp950", TRADITIONAL, (0xA4, 0xC6)),
        ("cp932", KANJI, (0x88, 0x97)),
        ("euc_jp", KANJI, (0xB0, 0xCF)),
        ("cp949", HANGUL, (0xB0, 0xC8)),
    ):
        yield _Candidate(encoding, _EastAsian(encoding, frequent, common).cost, 3.0)


_CANDIDATES = tuple(_candidates())
for _candidate in _CANDIDATES:
    codecs.lookup(_candidate.encoding)  # loads its module: the sealed process cannot
