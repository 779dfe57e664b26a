"""What a database's errors mean for an operator: which is wrong, and what mends it.

Numbers are MySQL's and MariaDB's (https://mariadb.com/kb/en/mariadb-error-code-reference/) and the client's.
"""

import sqlite3
from collections.abc import Mapping

from video2mp3.errors import DatabaseFull, DatabaseUnavailable

# What no other try mends: somebody has to look after the file.
_SQLITE_BROKEN = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
# ER_DISK_FULL and ER_RECORD_FILE_FULL.
_MYSQL_FULL = (1021, 1114)
_NO_LOGIN = "The database server rejects the user name or the password of VIDEO2MP3_DATABASE_URL"
_NO_RIGHT = "The database's user lacks a right; an administrator runs GRANT ALL ON database.* TO the user"
_NO_ROOM = "The database server takes no more connections; raise max_connections: each process opens up to 30"
_READ_ONLY = "The database server is read-only: it is a replica, or was told so (read_only)"
_NOT_IN_CLUSTER = "The database server has left its cluster, or has not joined it yet"
_MYSQL: Mapping[int, str] = {
    1036: _READ_ONLY,
    1040: _NO_ROOM,
    1044: "The database does not exist, or its user has no rights in it; CREATE DATABASE and GRANT are missing",
    1045: _NO_LOGIN,
    1047: _NOT_IN_CLUSTER,
    1049: "The database does not exist; run CREATE DATABASE, or name another in VIDEO2MP3_DATABASE_URL",
    1129: "The database server blocks this host after many failed connections; run FLUSH HOSTS there",
    1130: "The database server does not allow connections from this host",
    1142: _NO_RIGHT,
    1143: _NO_RIGHT,
    1153: "The database server's max_allowed_packet is too small; set 16M or more",
    1203: _NO_ROOM,
    1226: _NO_ROOM,
    1227: _NO_RIGHT,
    1290: _READ_ONLY,
    1665: "The database server writes its binary log as statements; set binlog_format to ROW",
    1698: _NO_LOGIN,
    1792: _READ_ONLY,
    1836: _READ_ONLY,
    1874: _READ_ONLY,
    2003: "The database server cannot be reached",
    2006: "The connection to the database server was lost",
    2013: "The connection to the database server was lost",
    3159: "The database server asks for TLS; add ?ssl_ca=FILE to VIDEO2MP3_DATABASE_URL",
}
_MAX_LENGTH = 300


def is_read_only(error: BaseException | None) -> bool:
    """Returns whether the server refuses to write: after a failover it is the wrong one of two."""
    return _sentence(error) in (_READ_ONLY, _NOT_IN_CLUSTER)


def is_broken_file(error: BaseException | None) -> bool:
    """Returns whether it is SQLite's file that cannot be used."""
    # The low byte is the condition, the others are its details.
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_BROKEN


def unavailable(error: BaseException | None) -> DatabaseUnavailable:
    """Returns the error of ours for one of the driver's, with the reason for the operator."""
    if _is_full(error):
        return DatabaseFull()
    if isinstance(error, sqlite3.Error):
        begin = "The database's file cannot be used" if is_broken_file(error) else "The database did not answer"
        return DatabaseUnavailable(reason=f"{begin}: {error}.")
    text = " ".join(str(error.args[-1] if error is not None and error.args else error).split())[:_MAX_LENGTH]
    begin = _sentence(error) or "The database server refused"
    return DatabaseUnavailable(reason=f"{begin} ({text}).")


def _sentence(error: BaseException | None) -> str | None:
    """Returns the begin of a sentence about an error of MySQL or MariaDB; None for those that have none."""
    # ER_CANT_LOCK: what MySQL says to rows where InnoDB itself is read-only (HA_ERR_TABLE_READONLY).
    if _number(error) == 1015 and "errno: 165 " in str(error):
        return _READ_ONLY
    return _MYSQL.get(_number(error))


def _number(error: BaseException | None) -> int:
    number = error.args[0] if error is not None and error.args else None
    return number if isinstance(number, int) else 0


def _is_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return _number(error) in _MYSQL_FULL
