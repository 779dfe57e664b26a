"""Metrics of free disk space."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector


class DiskGauges(Collector):
    """Reads the free space of a folder's disk at each scrape."""

    def __init__(self, folder: Path, floor_bytes: int) -> None:
        """`floor_bytes`: with fewer bytes free, the service accepts no uploads."""
        self._folder = folder
        self._floor_bytes = floor_bytes

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        free = GaugeMetricFamily("video2mp3_disk_free_bytes", "Bytes free where files are gathered.")
        try:
            free.add_metric([], shutil.disk_usage(self._folder).free)
        except OSError:
            # No value then; /readyz reports the storage as unavailable.
            return
        yield free
        yield GaugeMetricFamily(
            "video2mp3_disk_floor_bytes", "With fewer bytes free, no upload is taken.", value=self._floor_bytes
        )
