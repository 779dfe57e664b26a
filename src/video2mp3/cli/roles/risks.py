"""Finds risky settings for `doctor`. The sentences never contain secrets."""

import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from video2mp3.settings import Settings, is_loopback, secret_files

_MIN_SECRET_LENGTH = 12
# Default passwords of servers and examples.
_KNOWN_SECRETS = frozenset(
    {"guest", "root", "admin", "password", "secret", "changeme", "change-me", "minioadmin", "rabbitmq", "mysql"}
    | {"example", "letmein", "123456", "12345678", "video2mp3", "test", "user1"}
)


def risks(settings: Settings) -> Iterator[str]:
    """Yields a sentence for each risk: what it is, and what to do."""
    yield from _weak_secrets(settings)
    yield from _readable_files()
    yield from _open_data(settings)
    yield from _open_doors(settings)
    yield from _clear_text(settings)
    yield from _unset_sender(settings)


def _weak_secrets(settings: Settings) -> Iterator[str]:
    for name, url in (("DATABASE", settings.effective_database_url), ("QUEUE", settings.queue_url)):
        parts = urlsplit(url)
        if parts.hostname:
            yield from _weakness(f"The password in VIDEO2MP3_{name}_URL", unquote(parts.password or ""))
    if settings.s3_access_key_id:
        secret = settings.s3_secret_access_key.get_secret_value()
        yield from _weakness("VIDEO2MP3_S3_SECRET_ACCESS_KEY", secret)
    if settings.smtp_username:
        yield from _weakness("VIDEO2MP3_SMTP_PASSWORD", settings.smtp_password.get_secret_value())


def _weakness(name: str, secret: str) -> Iterator[str]:
    if not secret:
        yield f"{name} is empty; set one."
    elif secret.lower() in _KNOWN_SECRETS:
        yield f"{name} is a known default; choose a random one."
    elif len(secret) < _MIN_SECRET_LENGTH:
        yield f"{name} has fewer than {_MIN_SECRET_LENGTH} characters; choose a random one."


def _readable_files() -> Iterator[str]:
    for variable, path in secret_files():
        try:
            mode = Path(path).stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield f"Every user of this machine can read the file of {variable}; use chmod 600, or 440."


def _open_data(settings: Settings) -> Iterator[str]:
    for path in _data_paths(settings):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077 if path.is_file() else mode & 0o007:
            command = f"chmod {'600' if path.is_file() else '700'} {shlex.quote(str(path))}"
            yield f"Other users of this machine can open {path} (mode {mode:04o}); run: {command}"


def _data_paths(settings: Settings) -> Iterator[Path]:
    yield settings.data_dir.absolute()
    database = urlsplit(settings.effective_database_url)
    if database.scheme.startswith("sqlite"):
        file = database.path.removeprefix("/")
        yield from (Path(file + suffix) for suffix in ("", "-wal", "-shm"))
    storage = urlsplit(settings.effective_storage_url)
    if storage.scheme == "file":
        folder = Path(unquote(storage.path))
        yield from (folder / "objects", folder / "scratch")


def _open_doors(settings: Settings) -> Iterator[str]:
    if settings.allow_unsandboxed:
        yield "VIDEO2MP3_ALLOW_UNSANDBOXED decodes hostile files without a sandbox; make the sandbox work."
    if not settings.max_login_failures:
        yield "VIDEO2MP3_MAX_LOGIN_FAILURES=0 allows unlimited password guessing; set a limit."
    if settings.password_min_length < 8:
        yield f"VIDEO2MP3_PASSWORD_MIN_LENGTH={settings.password_min_length} allows weak passwords; use 8 or more."
    if any(network.prefixlen == 0 for network in settings.proxies):
        yield "VIDEO2MP3_TRUSTED_PROXIES trusts every client, which can then forge addresses; name the proxies."
    if any(network.prefixlen < 8 for network in settings.networks):
        yield "VIDEO2MP3_ALLOWED_NETWORKS opens internal networks to users' URLs; name only those that are needed."
    if "*" in settings.allowed_hosts.split(","):
        yield "VIDEO2MP3_ALLOWED_HOSTS=* accepts any host name; list the public ones."
    if settings.public_url and not settings.trusted_proxies and _is_loopback(settings.host):
        yield "A proxy forwards to this loopback address: set VIDEO2MP3_TRUSTED_PROXIES, or users share one address."


def _clear_text(settings: Settings) -> Iterator[str]:
    public = urlsplit(settings.public_url)
    if settings.public_url and public.scheme != "https" and not _is_loopback(public.hostname or ""):
        yield "VIDEO2MP3_PUBLIC_URL is not https: passwords and tokens are sent in clear text; use TLS."
    if settings.smtp_security == "none" and settings.smtp_username and not _is_loopback(settings.smtp_host):
        yield "VIDEO2MP3_SMTP_SECURITY=none sends the mail server's password in clear text; use starttls or tls."
    store = settings.s3_public_endpoint_url or settings.s3_endpoint_url
    if settings.redirect_downloads and public.scheme == "https" and store.startswith("http:"):
        yield "Downloads are redirected to http, which browsers block; set VIDEO2MP3_S3_PUBLIC_ENDPOINT_URL to https."


def _unset_sender(settings: Settings) -> Iterator[str]:
    if settings.smtp_from.endswith("@localhost") and settings.smtp_host and not _is_loopback(settings.smtp_host):
        yield f"VIDEO2MP3_SMTP_FROM is {settings.smtp_from}: other servers reject it; name an address of your domain."


def _is_loopback(host: str) -> bool:
    return host.endswith(".localhost") or is_loopback(host)
