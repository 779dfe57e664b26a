"""The Content-Disposition header (RFC 6266) of stored files, for the API and for the object storage."""

import re
import unicodedata
from urllib.parse import quote

# RFC 8187's attr-char, without the characters that `quote` never escapes.
_ATTR_CHAR = "!#$&+^`|"


def attachment(name: str) -> str:
    """Returns a header that offers a download as `name`, with all special characters escaped."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9 ._()\[\]+,=@~-]", "_", plain)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR, errors='replace')}"
