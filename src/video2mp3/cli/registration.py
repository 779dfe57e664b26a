"""Who may make an account here, in a sentence: for the start, and for `doctor`."""

from video2mp3.settings import Settings

_WHO = {
    "open": "anyone who reaches the service can make an account",
    "invite": "by invitation, from an administrator or `video2mp3 user invite`",
    "closed": "nobody; `video2mp3 user add NAME` makes accounts",
}


def registration_sentence(settings: Settings) -> str:
    """Returns who may make an account, and why that is so."""
    why = "it is not set, and others may reach the service"
    if settings.registration:
        why = f"VIDEO2MP3_REGISTRATION={settings.registration}"
    elif settings.is_local:
        why = "it is not set, and only this machine reaches the service"
    return f"{_WHO[settings.effective_registration]} ({why})"
