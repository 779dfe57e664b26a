"""Codes of languages: the same language has up to three of them. Source: ISO 639-1, ISO 639-2/T and /B."""

_CODES = """
ar ara|bg bul|bn ben|bs bos|ca cat|cs ces cze|cy cym wel|da dan|de deu ger|el ell gre|en eng|es spa|et est|eu eus baq
fa fas per|fi fin|fr fra fre|ga gle|gl glg|he heb|hi hin|hr hrv|hu hun|hy hye arm|id ind|is isl ice|it ita|ja jpn
ka kat geo|ko kor|lt lit|lv lav|mi mri mao|mk mkd mac|ms msa may|my mya bur|nb nob|nl nld dut|nn nno|no nor|pl pol
pt por|ro ron rum|ru rus|sk slk slo|sl slv|sq sqi alb|sr srp|sv swe|sw swa|ta tam|te tel|th tha|tl tgl|tr tur
bo bod tib|uk ukr|ur urd|vi vie|zh zho chi
"""
_GROUPS = [group.split() for line in _CODES.strip().splitlines() for group in line.split("|")]
_FIRST = {code: group[0] for group in _GROUPS for code in group}


def has_language(codes: str, wanted: str) -> bool:
    """Returns whether one of a track's codes ("deu,eng" in a DVB recording) is of a language.

    What follows a hyphen (a country, a script) does not count.
    """
    return _canonical(wanted) in map(_canonical, codes.split(","))


def _canonical(code: str) -> str:
    code = code.strip().lower().partition("-")[0]
    return _FIRST.get(code, code)
