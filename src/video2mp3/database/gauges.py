"""How many of the database's connections are in use."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.pool import QueuePool

from video2mp3.database.connection import Database


class PoolGauges(Collector):
    """Asks the pool when it is asked; connects to nothing."""

    def __init__(self, database: Database) -> None:
        """Nothing happens before `collect`."""
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        pool = self._database.engine.pool
        if not isinstance(pool, QueuePool):  # SQLite in memory has none
            return
        connections = GaugeMetricFamily(
            "video2mp3_database_connections", "Connections to the database: in_use or idle.", labels=["state"]
        )
        connections.add_metric(["in_use"], pool.checkedout())
        connections.add_metric(["idle"], pool.checkedin())
        yield connections
        yield GaugeMetricFamily(
            "video2mp3_database_connections_max",
            "Connections to the database that this process may have.",
            value=self._database.max_connections,
        )
