"""How many machines a number of videos a day needs, and what breaks first: `make capacity`, in a minute.

A job's times and costs are measured here, arrivals and lengths are drawn, and a queue is simulated. It prints its
table, writes benchmarks/report/capacity.json, and from that the plots and the tables in docs/scaling.md.
"""

import json
import sys
from dataclasses import asdict
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.calibration import calibrate
from benchmarks.inputs import seconds
from benchmarks.loads import MOST_OWN, Assumed, Measured, check_bench, check_clock, check_mix, loads
from benchmarks.plan import check_lines, measured_lines, table, with_numbers
from benchmarks.plots import plot_shares, plot_waits
from benchmarks.queueing import DAY_S, Arrival, Demand, least, percentile, waits_s
from benchmarks.report import FOLDER, load, machine

DOCS = Path(__file__).parents[1] / "docs"
SCALES = (10**3, 10**5, 10**7)
BENCH = ("Talk, 60 min, CBR 192k", "talk-60min.mp4")
_JOBS = 250_000
"""Drawn for each row at least, in whole days; of ten million a day, what comes before and in the busiest hour."""
_STEADY_JOBS = 40_000
_WARM_UP_S = 1800
_SEED = 5


class Simulation:
    """One demand, with any number of machines: always the same jobs, so that more machines are never worse."""

    def __init__(self, demand: Demand, measured: Measured, jobs: int = _JOBS) -> None:
        self.demand = demand
        self._found: dict[int, tuple[float, float]] = {}
        self._measured = measured
        busiest_s = demand.peak_hour * 3600
        if demand.videos_per_day > 4 * jobs:
            start_s, end_s = busiest_s - 1800 - _WARM_UP_S, busiest_s + 1800
        else:
            start_s, end_s = 0, ceil(jobs / demand.videos_per_day) * DAY_S
        self._arrivals: list[Arrival] = list(demand.arrivals(start_s, end_s, Random(_SEED)))
        self._is_busy = [demand.is_busy_hour(at_s) for at_s, _ in self._arrivals]

    def waits_s(self, machines: int) -> tuple[float, float]:
        """Returns the median and the 99th percentile of the wait in the busiest hours, in seconds."""
        if machines not in self._found:
            waits = waits_s(self._arrivals, self._measured.service_s, machines * self._measured.slots)
            busy = sorted(wait for wait, is_busy in zip(waits, self._is_busy, strict=True) if is_busy)
            start_s = self._measured.start_s
            self._found[machines] = (start_s + percentile(busy, 50), start_s + percentile(busy, 99))
        return self._found[machines]

    def machines(self, assumed: Assumed) -> int:
        """Returns how many are needed."""
        first = ceil(self.demand.peak_per_s * self._measured.service_s(self.demand.mean_length_s()) / assumed.most_busy)
        return least(lambda machines: self.waits_s(machines)[1] <= assumed.target_s, ceil(first / self._measured.slots))


def main() -> None:
    """Measures, simulates, prints and writes."""
    calibration, assumed = calibrate(), Assumed()
    measured = calibration.measured
    took, (title, name) = calibration.mix_took, BENCH
    tried = (
        check_mix(measured, calibration.mix_s, took.cpu_s),
        check_clock(measured, calibration.mix_s, took.cpu_s, took.wall_s),
        check_bench(measured, load(FOLDER), title, seconds(name)),
    )
    checks = [check for check in tried if check is not None]
    own = took.cpu_s / took.wall_s / measured.slots
    simulations = [one_machine(measured, assumed), *(Simulation(Demand(videos), measured) for videos in SCALES)]
    numbers: dict[str, Any] = {
        "machine": machine(),
        "own_share": own,
        "measured": asdict(measured),
        "assumed": asdict(assumed),
        "checks": [asdict(check) for check in checks],
        "rows": [row(simulation, measured, assumed, number == 0) for number, simulation in enumerate(simulations)],
    }
    print("\n".join(["", *measured_lines(numbers["measured"]), "", *table(numbers["rows"]), ""]))
    print("\n".join(check_lines(numbers["checks"], own)))
    # Other work slows the processors down, too: then only what was measured beside it can be compared.
    if not all(check.holds for check in (checks if own >= MOST_OWN else checks[:1])):
        sys.exit("The model is too far from what was measured. Nothing was written.")
    write(numbers, measured, assumed)


def one_machine(measured: Measured, assumed: Assumed) -> Simulation:
    """Returns the one with the most videos that one machine takes within the target, to the hundred."""
    tried: dict[int, Simulation] = {}

    def is_too_much(hundreds: int) -> bool:
        tried[hundreds] = Simulation(Demand(100 * hundreds), measured)
        return tried[hundreds].waits_s(1)[1] > assumed.target_s

    most = least(is_too_much, 2) - 1
    return tried.get(most) or Simulation(Demand(100 * most), measured)


def row(simulation: Simulation, measured: Measured, assumed: Assumed, is_one: bool) -> dict[str, Any]:
    """Returns a line of the table as plain values."""
    machines = 1 if is_one else simulation.machines(assumed)
    median_s, p99_s = simulation.waits_s(machines)
    needs = loads(simulation.demand, machines, measured, assumed)
    return {
        "videos_per_day": simulation.demand.videos_per_day,
        "wait_p50_s": median_s,
        "wait_p99_s": p99_s,
        "jobs_per_hour": 3600 * measured.slots * machines / measured.service_s(simulation.demand.mean_length_s()),
        **asdict(needs),
        "first_to_break": needs.first_to_break,
    }


def write(numbers: dict[str, Any], measured: Measured, assumed: Assumed) -> None:
    """Writes the numbers, the plots, and the tables into the document."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "capacity.json").write_text(json.dumps(numbers, indent=1) + "\n")
    plot_waits(DOCS / "scaling-waits.svg", waits_by_load(measured), assumed.target_s)
    plot_shares(DOCS / "scaling-parts.svg", shares_by_demand(measured, assumed))
    path = DOCS / "scaling.md"
    path.write_text(with_numbers(path.read_text(), numbers))


def waits_by_load(measured: Measured) -> dict[int, list[tuple[float, float]]]:
    """Returns for some numbers of machines the wait's 99th percentile by the share of the slots that are busy."""
    curves: dict[int, list[tuple[float, float]]] = {}
    steady = Demand(DAY_S, peak=1)  # one each second
    arrivals = list(steady.arrivals(0, _STEADY_JOBS, Random(_SEED)))
    for machines in (1, 2, 4, 16, 64):
        slots = machines * measured.slots
        for busy in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
            every_s = measured.service_s(steady.mean_length_s()) / (busy * slots)
            waits = waits_s([(every_s * at, length_s) for at, length_s in arrivals], measured.service_s, slots)
            curves.setdefault(machines, []).append((busy, measured.start_s + percentile(waits, 99)))
    return curves


def shares_by_demand(measured: Measured, assumed: Assumed) -> dict[str, list[tuple[float, float]]]:
    """Returns for each part its share by videos a day, with as many machines as are 90 % busy at the peak."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for tenths in range(20, 81, 2):
        demand = Demand(10 ** (tenths / 10))
        slots = demand.peak_per_s * measured.service_s(demand.mean_length_s()) / 0.9
        machines = max(2, ceil(slots / measured.slots))
        for part, share in loads(demand, machines, measured, assumed).shares.items():
            if part != "workers":  # there are always enough of them
                curves.setdefault(part, []).append((demand.videos_per_day, share))
    return curves


if __name__ == "__main__":
    main()
