"""The metrics that there are, as the code makes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.gauges import PoolGauges
from video2mp3.jobs.housekeeping.gauges import BacklogGauges
from video2mp3.telemetry import metrics
from video2mp3.telemetry.disk import DiskGauges
from video2mp3.telemetry.loops import LoopGauges


@dataclass(frozen=True)
class Known:
    """One metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    def series(self) -> set[str]:
        """The names that a query can ask for."""
        parts = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}
        return {self.name + part for part in parts.get(self.kind, ("",))}


def known_metrics(folder: Path) -> list[Known]:
    """Every metric of a process: what the code counts, and what the collectors read; `folder` is for a database."""
    counted = [
        Known(metric._name, str(metric._type), tuple(metric._labelnames), metric._documentation)
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return counted + [
        Known(family.name, str(family.type), tuple(family._labelnames), family.documentation)
        for family in _read(folder)
    ]


def _read(folder: Path) -> Iterator[Any]:
    database = Database(f"sqlite:///{folder / 'video2mp3.db'}")
    migrate.upgrade(database)
    for collector in (LoopGauges(), PoolGauges(database), BacklogGauges(database), DiskGauges(folder, 0)):
        yield from collector.collect()
    database.close()
