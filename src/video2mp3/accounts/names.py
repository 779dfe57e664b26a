"""Validates usernames: the PRECIS profile UsernameCaseMapped (RFC 8265), without mixed scripts.

Only new names are validated; logins compare `key`.
"""

import unicodedata

from video2mp3.accounts.scripts import mixed_scripts
from video2mp3.errors import InvalidRequest

_MAX_LENGTH = 64
_MAX_KEY_LENGTH = 255


def key(username: str) -> str:
    """Returns the form by which names are compared: NFKC and casefolded (Unicode 15, section 3.13, toNFKC_Casefold)."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    return unicodedata.normalize("NFKC", folded)


def check(username: str) -> None:
    """Raises InvalidRequest with the reason if the name is not allowed."""
    if not 1 <= len(username) <= _MAX_LENGTH or len(key(username)) > _MAX_KEY_LENGTH:
        raise InvalidRequest(f"The username needs 1 to {_MAX_LENGTH} characters.")
    # RFC 8265, section 3.1: the profile is for each of the parts between spaces.
    parts = username.split(" ")
    if not all(parts):
        raise InvalidRequest("The username may not begin or end with a space, nor have two of them side by side.")
    if ":" in key(username):
        # RFC 7617: a name with a colon could never sign in with HTTP Basic.
        raise InvalidRequest("The username may not have a colon.")
    enforced = " ".join(_enforced(part) for part in parts)
    if mixed := mixed_scripts(enforced):
        raise InvalidRequest(f"The username mixes letters that look alike, of {' and '.join(mixed)}; use one script.")


def _enforced(part: str) -> str:
    """Returns the part as the profile has it: in lower case, NFC, without wide forms."""
    # The import takes 50 ms, which only new accounts need.
    from precis_i18n import get_profile

    profile = get_profile("UsernameCaseMapped")
    try:
        return profile.enforce(part)
    except UnicodeEncodeError as error:
        if error.reason.endswith("bidi_rule"):
            raise InvalidRequest(
                "The username mixes characters of both directions of writing, and would be shown in another order."
            ) from None
        character = error.object[error.start]
        raise InvalidRequest(
            f"The username may not have the character U+{ord(character):04X} ({_describe(character)}): only letters "
            "and digits of any script, single spaces and the characters of ASCII."
        ) from None


def _describe(character: str) -> str:
    return unicodedata.name(character, "a control or private character, or none").lower()
