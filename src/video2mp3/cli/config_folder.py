"""The folder of the user's configuration: `config.toml` and the keys for `push`."""

import os
import sys
from pathlib import Path

from video2mp3.errors import ConfigurationError


def config_folder() -> Path:
    """Returns the folder, where uv and gh have theirs: by the XDG Base Directory Specification, on macOS too.

    On Windows it is in %APPDATA%, unless XDG_CONFIG_HOME is set.

    Raises:
        ConfigurationError: this user has no home folder.
    """
    variables = ("XDG_CONFIG_HOME", "APPDATA") if sys.platform == "win32" else ("XDG_CONFIG_HOME",)
    for base in map(Path, (os.environ.get(name, "") for name in variables)):
        if base.is_absolute():  # the specification says to ignore others
            return base / "video2mp3"
    try:
        return Path.home() / ".config" / "video2mp3"
    except RuntimeError:
        raise ConfigurationError("This user has no home folder; name a folder with XDG_CONFIG_HOME.") from None
