"""Reads VIDEO2MP3_DATABASE_URL, and says in one sentence what is wrong with it, without its secrets."""

import os
import ssl
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import asbool

from video2mp3.errors import ConfigurationError

_DRIVERS = ("sqlite", "sqlite+pysqlite", "mysql+pymysql", "mariadb+pymysql")
_MYSQL_FILES = frozenset({"ssl_ca", "ssl_cert", "ssl_key"})
_MYSQL_SWITCHES = frozenset({"ssl_check_hostname", "ssl_verify_cert", "ssl_verify_identity"})
_MYSQL_PARAMETERS = _MYSQL_FILES | _MYSQL_SWITCHES | {"charset", "unix_socket"}


def parse_url(url: str) -> URL:
    """Returns the URL's parts. Raises ConfigurationError, with no secret of the URL in it, when it is unusable."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The second one: a password that a `:` or an `@` cuts short, the rest of which is no port.
        raise _wrong("it is not a database URL (in a password, @ is written %40, : %3A and / %2F)") from None
    if parsed.drivername not in _DRIVERS:
        # What cannot be a name may be a piece of a password.
        name = parsed.drivername if parsed.drivername.replace("+", "").isalnum() else "it"
        raise _wrong(f"{name} is not supported; use sqlite:///FILE or mysql+pymysql://user:password@host/DATABASE")
    is_sqlite = parsed.get_backend_name() == "sqlite"
    known: frozenset[str] = frozenset() if is_sqlite else _MYSQL_PARAMETERS
    if not known.issuperset(parsed.query):
        raise _wrong(f"it has a parameter that is not known; known are: {', '.join(sorted(known)) or 'none'}")
    if is_sqlite:
        _check_sqlite(parsed)
    else:
        _check_mysql(parsed)
    return parsed


def _check_sqlite(parsed: URL) -> None:
    file = parsed.database or ""
    if parsed.host or not file or file == ":memory:" or not file.isprintable():
        raise _wrong("it names no file; write sqlite:////absolute/file or sqlite:///relative/file")
    if Path(file).exists() and not Path(file).is_file():
        raise _wrong(f"{file} is not a file; name a file")


def _check_mysql(parsed: URL) -> None:
    host = parsed.host or ""
    if "@" in host:
        raise _wrong("it has an @ too many (in a password, @ is written %40)")
    try:
        host.encode("idna")
    except UnicodeError:
        raise _wrong("its host is not a host name") from None
    if not parsed.database:
        raise _wrong("it names no database; write mysql+pymysql://user:password@host/DATABASE")
    for name, value in parsed.query.items():
        if not isinstance(value, str):
            raise _wrong(f"it names {name} more than once")
    query = {name: str(value) for name, value in parsed.query.items()}
    for name in _MYSQL_SWITCHES & set(query):
        _check_switch(name, query[name])
    for name in _MYSQL_FILES & set(query):
        if not os.access(query[name], os.R_OK):
            raise _wrong(f"the file that {name} names cannot be read")
    _check_certificates(query)


def _check_switch(name: str, value: str) -> None:
    try:
        asbool(value)
    except ValueError:
        raise _wrong(f"{name} is true or false") from None


def _check_certificates(query: dict[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    name = "ssl_ca"
    try:
        if "ssl_ca" in query:
            context.load_verify_locations(query["ssl_ca"])
        name = "ssl_cert"
        if "ssl_cert" in query:
            context.load_cert_chain(query["ssl_cert"], query.get("ssl_key"))
    except (ssl.SSLError, OSError):
        raise _wrong(f"the file that {name} names holds no certificate (PEM), or not its key") from None


def _wrong(why: str) -> ConfigurationError:
    return ConfigurationError(f"VIDEO2MP3_DATABASE_URL: {why}.")
