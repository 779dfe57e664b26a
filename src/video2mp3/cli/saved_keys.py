"""The services that `push` has signed in to: their addresses, and an API key for each, in a file of mode 0600."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from video2mp3.cli.config_folder import config_folder
from video2mp3.errors import ConfigurationError

TOKEN_VARIABLE = "VIDEO2MP3_TOKEN"  # noqa: S105 a name
DEFAULT_SERVER = "http://localhost:8000"


def key_file() -> Path:
    """Returns the file.

    Raises:
        ConfigurationError: this user has no home folder.
    """
    return config_folder() / "keys.json"


def load_keys() -> dict[str, str]:
    """Returns the API key of each server; none if the file is missing or damaged."""
    with contextlib.suppress(ConfigurationError, OSError):
        return _read_keys()
    return {}


def _read_keys() -> dict[str, str]:
    try:
        found = json.loads(key_file().read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise ConfigurationError(f"{key_file()} is damaged; repair it, or delete it and sign in again.") from None
    return {str(server): str(key) for server, key in dict(found).items()}


def store_key(server: str, key: str | None) -> None:
    """Stores the key of a server; None deletes it. The file is never readable by others, and never incomplete.

    Raises:
        ConfigurationError: the file is damaged; it stays as it is.
        OSError: the file cannot be written.
    """
    keys = {known: value for known, value in _read_keys().items() if known != _normal(server)}
    if key is not None:
        keys[_normal(server)] = key
    file = key_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as written:
        json.dump(keys, written)
    Path(name).replace(file)


def key_for(server: str) -> str | None:
    """Returns the API key for a server: that of the environment, or the stored one."""
    return os.environ.get(TOKEN_VARIABLE) or load_keys().get(_normal(server))


def usual_server() -> str:
    """Returns the server to use where none is named: the only one that has a key, else this machine's."""
    keys = list(load_keys())
    return keys[0] if len(keys) == 1 else DEFAULT_SERVER


def _normal(server: str) -> str:
    return server.rstrip("/")
