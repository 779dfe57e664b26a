"""The database's clock, as an SQL expression.

Times are whole microseconds since 1970 (UTC) in BIGINT columns: the same arithmetic on every database,
no time zones, no rounding. All workers compare with the database's clock, never with their own.
"""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

SECOND = 1_000_000
"""One second in the clock's unit."""


class now(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The database's time in microseconds since 1970."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite(element: now, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    # Registered on each connection: SQLite's own clock has milliseconds only.
    return "now_us()"


@compiles(now, "mysql")
@compiles(now, "mariadb")
def _mysql(element: now, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    # The session's time zone is UTC, so that no hour exists twice.
    return "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
