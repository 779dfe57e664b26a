"""Names in one script that look like a name in another: `асе` in Cyrillic letters and `ace` in Latin ones.

Mixed scripts are refused anyway (`scripts`). This module finds names in which every letter has a twin.
"""

from collections.abc import Iterator
from itertools import islice, product

# Cyrillic and Greek letters with the Latin letters that they look like, from Unicode's confusables.txt (UTS 39). Pairs
# that look alike only in upper case are listed in upper case.
_CYRILLIC = dict(zip("асԁеһіјӏорԛѕѵԝхуАВСЕНІЈКМОРЅТХУ", "acdehijlopqsvwxyABCEHIJKMOPSTXY", strict=True))
_GREEK = dict(zip("αγινορυϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ayivopucjABEZHIKMNOPTYX", strict=True))
_SCRIPTS = (_CYRILLIC, _GREEK)
# A deceptive name has fewer readings than this.
_MAX_READINGS = 64


def look_alikes(username: str) -> set[str]:
    """Returns names in lower case that look like this one and are entirely in another script."""
    latin = username if username.isascii() else _in_latin(username)
    if latin is None:
        return set()
    found = {latin.casefold()}
    for letters in _SCRIPTS:
        found.update(_readings(latin.casefold(), letters))
    return found - {username.casefold()}


def _in_latin(username: str) -> str | None:
    for letters in _SCRIPTS:
        if all(character in letters or character.isascii() for character in username):
            return "".join(letters.get(character, character) for character in username)
    return None


def _readings(latin: str, letters: dict[str, str]) -> Iterator[str]:
    """Yields the name in that script, if all its letters are there."""
    twins: dict[str, set[str]] = {}
    for letter, twin in letters.items():
        twins.setdefault(twin.casefold(), set()).add(letter.casefold())
    choices = [sorted(twins.get(character, ())) if character.isalpha() else [character] for character in latin]
    if any(character.isalpha() for character in latin):
        for reading in islice(product(*choices), _MAX_READINGS):
            yield "".join(reading)
