"""The settings: the only place that reads the environment.

Every setting is an environment variable `VIDEO2MP3_<NAME>`, or stands in the file that `VIDEO2MP3_<NAME>_FILE` names,
as containers get their secrets. The defaults are the embedded mode, which needs nothing but a folder.
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from video2mp3.errors import ConfigurationError
from video2mp3.wording import invalid_value, unknown_name

_PREFIX = "VIDEO2MP3_"
_FLAGS = (
    "CONFIG SERVER TOKEN "
    "OUTPUT FORCE SKIP_EXISTING KEEP_TIMES THREADS JOBS JSON QUIET VERBOSE "
    "BITRATE VBR ABR PRESET CHANNELS SAMPLE_RATE COPY LOUDNESS FADE_IN FADE_OUT "
    "START END TRACK SPLIT SILENCE SILENCE_DB TIMING FAIL_ON_DAMAGE "
    "TITLE ARTIST ALBUM DATE GENRE COMMENT TRACK_NUMBER KEEP_TAGS KEEP_PRIVATE_TAGS "
    "COVER COVER_AT COVER_FILE CHAPTERS CHAPTERS_FILE ID3_VERSION"
)
COMMAND_LINE_VARIABLES = frozenset(_PREFIX + name for name in _FLAGS.split())
"""What `video2mp3 convert` and `push` read on the same machine (docs/command-line.md)."""
_MAX_S = 316_224_000
"""Ten years. Times in the database are microseconds in 64 bits, so sums of these stay far from their end."""
_MAX_BYTES = 2**60
_MAX_COUNT = 10**9
_LINK = re.compile("(tcp|udp|sctp)://")
_HOST_NAME = re.compile(r"\*|(\*\.)?[a-z0-9_.-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
_EXAMPLES = {
    "database_url": "mysql+pymysql://user:password@host/database",
    "queue_url": "amqp://user:password@host/",
    "storage_url": "file:///folder or s3://bucket/prefix",
}


def default_data_dir() -> Path:
    """Returns the folder for data where none is set, by the XDG base directory specification.

    Raises:
        ConfigurationError: when the user has no home folder.
    """
    base = os.environ.get("XDG_DATA_HOME", "")
    if not Path(base).is_absolute():  # the specification says to ignore it
        base = str(_home() / ".local" / "share")
    return Path(base) / "video2mp3"


def _home() -> Path:
    try:
        home = Path.home() if os.environ.get("HOME", "/") else Path()
    except RuntimeError:  # no HOME, and no entry of the user in /etc/passwd
        home = Path()
    if not home.is_absolute():
        raise ConfigurationError("This user has no home folder; name a folder with VIDEO2MP3_DATA_DIR (or --data-dir).")
    return home


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, str_strip_whitespace=True
    )

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of the data (empty: ~/.local/share/video2mp3)."
    )
    database_url: str = Field(
        "", repr=False, description="sqlite:///file or mysql+pymysql://… (empty: SQLite in data_dir)."
    )
    queue_url: str = Field("memory://", repr=False, description="memory:// or amqp://…")
    storage_url: str = Field("", description="file:///folder or s3://bucket/prefix (empty: disk in data_dir).")

    s3_endpoint_url: str = Field("", description="Address of an S3 server other than Amazon's.")
    s3_public_endpoint_url: str = Field(
        "", description="Address of that server for clients, if it differs (for redirected downloads)."
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key_id: str = Field("", description="S3 access key (empty: the machine's own role).")
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="S3 secret key.")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    keep_alive_s: int = Field(
        180, ge=1, le=_MAX_S, description="How long idle connections stay open; longer than a proxy keeps them."
    )
    public_url: str = Field("", description="The service's public address, for links (empty: host and port).")
    allowed_hosts: str = Field(
        "", description="Host names of this service, such as a.example,*.b.example (empty: see docs/operations.md)."
    )
    trusted_proxies: str = Field(
        "", description="Addresses of proxies whose X-Forwarded-For and -Proto are trusted, such as 10.1.2.0/24."
    )
    require_login: bool = Field(False, description="Require a login on loopback addresses too.")
    registration: Literal["", "open", "invite", "closed"] = Field(
        "",
        description="Who may create an account: anybody, people with an invitation, nobody (empty: open on loopback, "
        "else invite).",
    )
    password_min_length: int = Field(8, ge=1, le=128, description="Minimum length of passwords.")
    access_token_lifetime_s: int = Field(900, ge=1, le=_MAX_S, description="Lifetime of an access token.")
    refresh_token_lifetime_s: int = Field(30 * 86_400, ge=1, le=_MAX_S, description="Lifetime of a refresh token.")
    signing_key_lifetime_s: int = Field(
        90 * 86_400, ge=60, le=_MAX_S, description="Time after which the key that signs access tokens is replaced."
    )

    max_login_failures: int = Field(
        10,
        ge=0,
        le=_MAX_COUNT,
        description="Failed sign-ins per account, and per address, in 15 minutes (0: no limit).",
    )
    audit_retention_s: int = Field(
        90 * 86_400, ge=1, le=_MAX_S, description="How long entries of the audit log are kept."
    )

    max_upload_bytes: int = Field(8 * 1024**3, ge=1, le=_MAX_BYTES, description="Maximum size of an uploaded file.")
    max_audio_s: int = Field(24 * 3600, ge=1, le=_MAX_S, description="Maximum duration of the audio.")
    upload_retention_s: int = Field(
        86_400, ge=1, le=_MAX_S, description="How long uploads are kept after their last use."
    )
    result_retention_s: int = Field(7 * 86_400, ge=1, le=_MAX_S, description="How long results are kept.")

    redirect_downloads: bool = Field(
        False, description="Redirect downloads of results to the object store (S3, GCS, Azure)."
    )

    requests_per_minute: int = Field(6000, ge=0, le=_MAX_COUNT, description="Requests per account (0: no limit).")
    uploads_per_minute: int = Field(
        1200, ge=0, le=_MAX_COUNT, description="Of these, requests that send a file or start a conversion."
    )
    probes_per_minute: int = Field(300, ge=0, le=_MAX_COUNT, description="Of these, requests that inspect an upload.")
    anonymous_per_minute: int = Field(1200, ge=0, le=_MAX_COUNT, description="Requests without an account per address.")

    max_user_jobs: int = Field(1000, ge=1, le=_MAX_COUNT, description="Waiting conversions per user.")
    max_user_uploads: int = Field(50, ge=1, le=_MAX_COUNT, description="Concurrent uploads per user.")
    max_user_bytes: int = Field(
        100 * 1024**3, ge=1, le=_MAX_BYTES, description="Stored bytes of uploads and results per user."
    )
    max_user_history: int = Field(
        10_000, ge=1, le=_MAX_COUNT, description="Ended conversions kept per user; the oldest are deleted."
    )
    max_jobs: int = Field(100_000, ge=1, le=_MAX_COUNT, description="Waiting conversions of all users.")
    max_user_event_streams: int = Field(32, ge=1, le=65_536, description="Open event streams per user and process.")
    max_event_streams: int = Field(
        5000, ge=1, le=65_536, description="Open event streams per process (at most half of its file descriptors)."
    )
    min_free_disk_bytes: int = Field(
        1024**3, ge=0, le=_MAX_BYTES, description="Free disk space that uploads leave; results leave half of it."
    )

    url_sources: bool = Field(True, description="Convert files at URLs; false: only uploaded files.")
    allowed_networks: str = Field("", description="Private networks that users' URLs may lead to, such as 10.0.0.0/8.")
    allowed_ports: str = Field("80,443", description="Ports that users' URLs may name.")
    fetch_timeout_s: int = Field(
        3600, ge=1, le=_MAX_S, description="Timeout of one attempt to fetch a file or to send an MP3."
    )
    transfers_at_once: int = Field(
        8,
        ge=1,
        le=1000,
        description="Concurrent fetches per worker, and as many sends; a quarter of them for one user.",
    )
    min_transfer_bytes_per_s: int = Field(
        16_384, ge=0, le=_MAX_BYTES, description="Transfers slower than this over 30 s are aborted (0: none)."
    )

    startup_wait_s: int = Field(
        0, ge=0, le=3600, description="How long a role waits at its start for the database, the queue and the storage."
    )
    worker_slots: int = Field(0, ge=0, le=1000, description="Concurrent conversions per worker (0: one per core).")
    conversion_timeout_s: int = Field(4 * 3600, ge=1, le=_MAX_S, description="Timeout of one conversion.")
    allow_unsandboxed: bool = Field(False, description="Convert even where the sandbox fails its self-test.")
    drain_grace_s: int = Field(25, ge=0, le=_MAX_S, description="Time to finish running conversions after SIGTERM.")

    smtp_host: str = Field("", description="Mail server (empty: no email, one log line instead).")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="Encryption to the mail server.")
    smtp_username: str = Field("", description="Account at the mail server (empty: no sign-in).")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server.")
    smtp_from: str = Field("video2mp3@localhost", description="Sender of the emails.")

    metrics_host: str = Field("127.0.0.1", description="Address for Prometheus' metrics.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port for Prometheus' metrics (0: none).")
    traces_url: str = Field("", description="OTLP/HTTP address for traces, http://…:4318/v1/traces (empty: none).")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum log level.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto: console on a terminal, else JSON."
    )

    @property
    def default_database(self) -> Path:
        """The SQLite file, where no database is set."""
        return self.data_dir.absolute() / "video2mp3.db"

    @property
    def effective_database_url(self) -> str:
        """The database's URL, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.default_database}"

    @property
    def effective_storage_url(self) -> str:
        """The storage's URL, with the embedded default filled in."""
        return self.storage_url or (self.data_dir.absolute() / "storage").as_uri()

    def origin(self, name: Literal["database_url", "queue_url", "storage_url"]) -> str:
        """Returns the variable that selects this backend, for messages: its own, or the data folder's."""
        if getattr(self, name):
            return _variable(name)
        return f"VIDEO2MP3_DATA_DIR={self.data_dir}"

    @field_validator("allowed_networks", "trusted_proxies", "allowed_ports")
    @classmethod
    def _is_list(cls, text: str, info: ValidationInfo) -> str:
        _ports(text) if info.field_name == "allowed_ports" else _networks(text)
        return text

    @field_validator(
        "database_url",
        "queue_url",
        "storage_url",
        "s3_endpoint_url",
        "s3_public_endpoint_url",
        "public_url",
        "traces_url",
    )
    @classmethod
    def _is_url(cls, text: str, info: ValidationInfo) -> str:
        if not text:
            return text
        name = str(info.field_name)
        _check_url(text, example=_EXAMPLES.get(name))
        if name == "public_url":
            _check_base(text)
        # Schemes are compared in many places.
        scheme, separator, rest = text.partition("://")
        return scheme.lower() + separator + rest

    @field_validator("allowed_hosts")
    @classmethod
    def _has_host_names(cls, text: str) -> str:
        if not all(_HOST_NAME.fullmatch(name.strip()) for name in text.split(",") if name.strip()):
            raise ValueError("host names are written like a.example or *.b.example, without a scheme and a port")
        return text

    @field_validator("port", "metrics_port", "smtp_port", mode="before")
    @classmethod
    def _is_no_service_link(cls, value: object, info: ValidationInfo) -> object:
        # In Kubernetes, a service named video2mp3 or video2mp3-metrics sets the variable to tcp://10.0.0.1:8000.
        is_link = isinstance(value, str) and _LINK.match(value)
        return cls.model_fields[str(info.field_name)].default if is_link else value

    @field_validator("data_dir")
    @classmethod
    def _is_folder(cls, folder: Path) -> Path:
        # In files of variables no shell expands it.
        return _home() / folder.relative_to("~") if folder.parts[:1] == ("~",) else folder

    @field_validator("host", "metrics_host", "smtp_host")
    @classmethod
    def _is_host(cls, text: str, info: ValidationInfo) -> str:
        host = text.removeprefix("[").removesuffix("]")
        try:
            host.encode("idna")
        except UnicodeError:
            raise ValueError("it is not a host name") from None
        if re.search(r"[\s/]|^[^:]+:\d+$", host):
            port = str(info.field_name).replace("host", "port")
            raise ValueError(f"it is a host name or an address alone; the port is {_variable(port)}")
        return host

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The private networks that users' URLs may lead to."""
        return _networks(self.allowed_networks)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted proxies."""
        return _networks(self.trusted_proxies)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that users' URLs may name."""
        return _ports(self.allowed_ports)

    @property
    def is_local(self) -> bool:
        """True if only this machine reaches the service: it listens on loopback without a proxy in front."""
        return is_loopback(self.host) and not self.public_url and not self.trusted_proxies

    @property
    def effective_registration(self) -> Literal["open", "invite", "closed"]:
        """Who may create an account, with the default filled in."""
        return self.registration or ("open" if self.is_local else "invite")

    @property
    def effective_public_url(self) -> str:
        """The address for links, without a slash at the end."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)  # noqa: S104 - no link leads there
        return (self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}").rstrip("/")


def is_loopback(host: str) -> bool:
    """Returns whether an address to listen on is one that only this machine reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_variables() -> None:
    """Raises ConfigurationError if a variable looks like a setting but is none: it would be ignored."""
    known = {_variable(name) for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known} | COMMAND_LINE_VARIABLES
    unknown = [
        name
        for name, value in sorted(os.environ.items())
        if name.upper().startswith(_PREFIX) and name.upper() not in known and not _is_service_link(name, value)
    ]
    if unknown:
        raise ConfigurationError(" ".join(unknown_name(name, known) for name in unknown))


def _is_service_link(name: str, value: str) -> bool:
    """Returns whether Kubernetes, or a link of Docker, set the variable for a service named `video2mp3…`."""
    named = r"(_SERVICE_(HOST|PORT(_\w+)?)|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR|_START|_END)?|_ENV_\w+)$"
    link = re.search(named, name) or _LINK.match(value)
    return link is not None or (name.endswith("_NAME") and value.startswith("/"))


def load_settings(**overrides: object) -> Settings:
    """Reads the settings from the environment and the files that it names; `overrides` (from command line flags) win.

    Raises:
        ConfigurationError: with the name of each invalid variable, and the nearest name of an unknown one.
    """
    _check_variables()
    try:
        return Settings(**(_read_files() | overrides))  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"{_variable(str(e['loc'][0]))}: {invalid_value(e)}" for e in error.errors())
        raise ConfigurationError(f"Wrong setting: {wrong}.") from None


def secret_files() -> list[tuple[str, str]]:
    """Returns the variables that name files with settings, and the paths of these files."""
    variables = {f"{_variable(name)}_FILE" for name in Settings.model_fields}
    return [(name, path) for name, path in os.environ.items() if path and name.upper() in variables]


def _check_url(text: str, *, example: str | None) -> None:
    """Raises ValueError, without any of the text, if parsers would disagree on the URL; it is of the web by default.

    The most common error is an unescaped character in a password: parsers take the rest of the password for the host or
    the port, and show it in errors.
    """
    encode = "in a password, @ is written %40, : %3A, / %2F, # %23 and ? %3F"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(f"it is not a URL; {encode}") from None
    if not text.isprintable() or (" " in text and not parts.scheme.startswith("sqlite")):  # its path is not decoded
        raise ValueError("it is not a URL: it has a blank or a control character")
    if parts.scheme in ("s3", "gs", "az"):
        if "@" in parts.netloc:
            raise ValueError("it holds no keys; set VIDEO2MP3_S3_ACCESS_KEY_ID and VIDEO2MP3_S3_SECRET_ACCESS_KEY")
    elif parts.netloc and (text.count("@") > 1 or ("@" in text and "@" not in parts.netloc)):
        raise ValueError(f"it has one @ too many; {encode}")
    if "://" not in text:
        raise ValueError(f"it has no scheme; it is written like {example or 'https://example.org'}")
    if example:
        return
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is not a URL that begins with https:// or http:// and has a host")
    if not text.isascii():
        raise ValueError("its host is written in ASCII (xn--…), and its path with percent signs")


def _check_base(text: str) -> None:
    """Raises ValueError if a URL cannot be the beginning of links."""
    parts = urlsplit(text)
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("links begin with it, so it has a host and a path alone: no user, ? or #")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(word.strip()) for word in text.split(",") if word.strip())
    except ValueError:
        raise ValueError(
            "networks are written like 10.1.2.0/24, with commas between, and no bit set behind the prefix"
        ) from None


def _ports(text: str) -> frozenset[int]:
    words = [word.strip() for word in text.split(",")]
    ports = frozenset(int(word) for word in words if word.isdecimal())
    if not all(word.isdecimal() for word in words) or not all(0 < port < 65536 for port in ports):
        raise ValueError("a port is a number from 1 to 65535")
    return ports


def _read_files() -> dict[str, object]:
    """Returns the settings that are in files, without surrounding whitespace."""
    found: dict[str, object] = {}
    given = {name.upper(): value for name, value in os.environ.items() if value}  # settings are read in any case too
    for name in Settings.model_fields:
        variable = f"{_variable(name)}_FILE"
        path = given.get(variable)
        if not path:
            continue
        if _variable(name) in given:
            raise ConfigurationError(f"{_variable(name)} and {variable} are both set; keep one.")
        try:
            found[name] = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise ConfigurationError(f"{variable}: {path} cannot be read ({why}).") from None
    return found


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"
