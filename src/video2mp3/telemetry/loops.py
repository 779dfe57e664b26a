"""Metrics of this process's loops: age, stalls and failures."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from video2mp3 import supervision

STALLED = "video2mp3_loop_stalled"


class LoopGauges(Collector):
    """Reads the state from `supervision` at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        failures = CounterMetricFamily(
            "video2mp3_loop_failures", "Exceptions in a loop that others depend on; it goes on.", labels=["loop"]
        )
        for name, count in supervision.failures().items():
            failures.add_metric([name], count)
        age = GaugeMetricFamily(
            "video2mp3_loop_age_seconds", "Time since the loop's last turn that succeeded.", labels=["loop"]
        )
        stalled = GaugeMetricFamily(
            STALLED, "1 where the loop has not turned in time, or keeps failing.", labels=["loop"]
        )
        broken = supervision.stalled()
        for name, age_s in supervision.ages_s().items():
            age.add_metric([name], age_s)
            stalled.add_metric([name], float(name in broken))
        yield from (failures, age, stalled)
