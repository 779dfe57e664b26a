"""Parses a request's Content-Disposition header (RFC 6266); `storage.attachment` writes that of a response."""

import re
from urllib.parse import unquote

# The two encodings that RFC 8187 §3.2.1 names. Python knows more, which can fail with other exceptions.
_EXTENDED = re.compile(r"\bfilename\*\s*=\s*(UTF-8|ISO-8859-1)'[^']*'([^;\s]+)", re.IGNORECASE)
_PLAIN = re.compile(r'\bfilename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE)


def filename_of(header: str | None) -> str | None:
    """Returns the file name that a request's Content-Disposition gives, if any; not yet cleaned."""
    # Header values arrive as latin-1; what programs send is UTF-8.
    text = _as_utf8(header or "")
    if extended := _EXTENDED.search(text):
        return unquote(extended[2], encoding=extended[1], errors="replace")
    if plain := _PLAIN.search(text):
        return re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]
    return None


def _as_utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
