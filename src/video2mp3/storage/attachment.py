"""What a stored file is offered as, whoever serves it: the Content-Disposition header (RFC 6266)."""

import re
import unicodedata
from urllib.parse import quote

# RFC 8187's attr-char, without the letters, digits and `_.-~` that `quote` leaves alone anyway.
_ATTR_CHAR = "!#$&+^`|"


def attachment(name: str) -> str:
    """Returns a header that offers a download as `name`; harmless whatever the name has in it."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9 ._()\[\]+,=@~-]", "_", plain)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR, errors='replace')}"
