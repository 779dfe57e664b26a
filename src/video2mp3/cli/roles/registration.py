"""Describes who may register, for the start message and `doctor`."""

from video2mp3.settings import Settings

_WHO = {
    "open": "anyone who reaches the service can create an account",
    "invite": "by invitation, from an administrator or `video2mp3 user invite`",
    "closed": "nobody; `video2mp3 user add NAME` creates accounts",
}


def registration_sentence(settings: Settings) -> str:
    """Returns a sentence that says who may register, and why."""
    why = "VIDEO2MP3_REGISTRATION is not set, and others may reach the service"
    if settings.registration:
        why = f"VIDEO2MP3_REGISTRATION={settings.registration}"
    elif settings.is_local:
        why = "VIDEO2MP3_REGISTRATION is not set, and only this machine reaches the service"
    return f"{_WHO[settings.effective_registration]} ({why})"
