"""What a number of videos a day asks of every part, from what was measured and what is assumed.

All rates are those of the busiest moment of the day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from benchmarks.queueing import DAY_S, Demand, makespan_s
from video2mp3.jobs.housekeeping.loops import ORPHANS_EVERY_S, RELAY_EVERY_S
from video2mp3.jobs.housekeeping.relay import LEAST_WINDOW
from video2mp3.uploads.chunks import CHUNK_SIZE_BYTES

NUDGES_PER_JOB = 4
"""Looks of a relay beyond those of the clock: after a submit, a claim, an end, and a notification's claim."""
THREADS_PER_PROCESS = 4
"""Beside its slots, those that use the database: heartbeat, relay, reaper, sweeper."""
TOLERANCE = 0.15
"""By so much what is predicted may differ from what is measured."""
MOST_OWN = 0.85
"""The share of the processors' time from which on they were the run's own: starts and stores leave some idle."""


@dataclass(frozen=True)
class Measured:
    """What `benchmarks.calibration` found on one machine."""

    slots: int
    """Conversions at once: one for each processor."""
    fixed_s: float
    """How long a slot is busy with a job, beside its audio, while all are busy: time of one processor."""
    per_audio_s: float
    """The same for each second of audio."""
    start_s: float
    """From a submit to its claim, with all slots free."""
    statements_per_job: float
    """From the upload's request to the notification's end, with BEGIN for each COMMIT."""
    statements_per_chunk: float
    """For each further 8 MiB of an upload."""
    statements_per_look: float
    """For each time that a user reads the job's state."""
    statements_per_busy_s: float
    """Of a slot: heartbeats."""
    statements_per_process_s: float
    """Of a process that has nothing to do."""
    messages_per_job: float
    relay_fixed_s: float
    """Of one look of a relay that finds nothing to do."""
    relay_per_row_s: float
    """The same for each job that is announced already."""
    reads_per_byte: float
    """Requests of a worker to the storage."""
    read_share: float
    """Of a video's bytes, those that a worker reads."""
    upload_bytes_per_s: float
    """Taken by one api process from one client."""

    def service_s(self, audio_s: float) -> float:
        """How long a slot is busy with so much audio."""
        return self.fixed_s + self.per_audio_s * audio_s


@dataclass(frozen=True)
class Assumed:
    """What cannot be measured here; docs/scaling.md gives the reasons."""

    target_s: float = 60.0
    """The 99th percentile of the wait, in the busiest hour."""
    most_busy: float = 0.95
    """Share of the slots at the peak: one in twenty machines may be away."""
    video_bytes_per_s: float = 312_500
    mp3_bytes_per_s: float = 24_000
    upload_kept_s: float = 86_400
    result_kept_s: float = 604_800
    looks_per_job: float = 5
    downloads_per_job: float = 1
    disk_bytes: float = 2e12
    """Of one machine that does all."""
    statements_per_s: float = 20_000
    database_cores: float = 16
    connections: float = 5000
    messages_per_s: float = 20_000
    listed_per_s: float = 10_000
    puts_per_s: float = 3500
    gets_per_s: float = 5500


@dataclass(frozen=True)
class Loads:
    """What so many videos a day ask for."""

    peak_per_s: float
    machines: int
    apis: int
    busy: float
    """Share of the slots that are busy."""
    statements_per_s: float
    messages_per_s: float
    stored_bytes: float
    in_bytes_per_s: float
    """From users."""
    out_bytes_per_s: float
    """To users."""
    shares: Mapping[str, float]
    """How much of what one of its kind does each part has to do; above 1 it breaks."""

    @property
    def first_to_break(self) -> str:
        """The part that is nearest to its end, or furthest beyond it."""
        return max(self.shares, key=self.shares.__getitem__)


def loads(demand: Demand, machines: int, measured: Measured, assumed: Assumed) -> Loads:
    """Returns the loads with so many machines that convert."""
    peak, slots = demand.peak_per_s, measured.slots * machines
    length_s = demand.mean_length_s()
    video_bytes, mp3_bytes = assumed.video_bytes_per_s * length_s, assumed.mp3_bytes_per_s * length_s
    chunks = 0.5 + video_bytes / CHUNK_SIZE_BYTES
    busy_slots = peak * measured.service_s(length_s)
    apis = ceil(peak * video_bytes / measured.upload_bytes_per_s)
    processes = 1 if machines == 1 else machines + apis + 1
    statements = (
        peak * (measured.statements_per_job + max(0.0, chunks - 1) * measured.statements_per_chunk)
        + peak * assumed.looks_per_job * measured.statements_per_look
        + busy_slots * measured.statements_per_busy_s
        + processes * measured.statements_per_process_s
    )
    messages = peak * measured.messages_per_job
    looks = processes / RELAY_EVERY_S + peak * NUDGES_PER_JOB
    look_s = measured.relay_fixed_s + measured.relay_per_row_s * max(LEAST_WINDOW, 2 * slots)
    days = {"uploads": assumed.upload_kept_s / DAY_S, "results": assumed.result_kept_s / DAY_S}
    stored = demand.videos_per_day * (video_bytes * days["uploads"] + mp3_bytes * days["results"])
    objects = demand.videos_per_day * (chunks * days["uploads"] + days["results"])
    shares = {
        "workers": busy_slots / slots,
        "database: statements": statements / assumed.statements_per_s,
        "database: the relays' looks": looks * look_s / assumed.database_cores,
        "database: connections": processes * (measured.slots + THREADS_PER_PROCESS) / assumed.connections,
        "broker": messages / assumed.messages_per_s,
        "storage: listing for orphans": objects / assumed.listed_per_s / ORPHANS_EVERY_S,
        "storage: writes": peak * (chunks + 1) / assumed.puts_per_s,
        "storage: reads": peak * video_bytes * measured.reads_per_byte / assumed.gets_per_s,
    }
    if machines == 1:
        shares["disk"] = stored / assumed.disk_bytes
    return Loads(
        peak_per_s=peak,
        machines=machines,
        apis=apis,
        busy=busy_slots / slots,
        statements_per_s=statements,
        messages_per_s=messages,
        stored_bytes=stored,
        in_bytes_per_s=peak * video_bytes,
        out_bytes_per_s=peak * mp3_bytes * assumed.downloads_per_job,
        shares=shares,
    )


@dataclass(frozen=True)
class Check:
    """One thing that was measured, next to what the model says."""

    what: str
    measured: float
    predicted: float

    @property
    def ratio(self) -> float:
        """What is predicted, in times what was measured."""
        return self.predicted / self.measured

    @property
    def holds(self) -> bool:
        """Tells whether the two are near enough to each other."""
        return abs(self.ratio - 1) <= TOLERANCE


def check_mix(measured: Measured, lengths_s: Sequence[float], cpu_s: float) -> Check:
    """Compares jobs an hour by the processors' time: of real files, and of the model for them."""
    hour = 3600 * measured.slots * len(lengths_s)
    return Check(
        "a mix of files, just now: jobs in an hour of all processors' time",
        hour / cpu_s,
        hour / sum(map(measured.service_s, lengths_s)),
    )


def check_clock(measured: Measured, lengths_s: Sequence[float], cpu_s: float, wall_s: float) -> Check | None:
    """Compares jobs an hour by the clock; None where other work took some of the processors meanwhile."""
    if cpu_s < MOST_OWN * measured.slots * wall_s:
        return None
    hour = 3600 * len(lengths_s)
    predicted_s = makespan_s(lengths_s, measured.service_s, measured.slots)
    return Check("the same by the clock: jobs an hour", hour / wall_s, hour / predicted_s)


def check_bench(measured: Measured, numbers: Mapping[str, Any], title: str, audio_s: float) -> Check | None:
    """Compares with the report of `make bench`, where it has that part: how many such files in an hour."""
    runs = numbers.get("comparisons", {}).get(title, {}).get("video2mp3")
    if not runs:
        return None
    middle_s = sorted(run["wall_s"] for run in runs)[len(runs) // 2]
    predicted = 3600 * measured.slots / measured.service_s(audio_s)
    return Check(f"`make bench`, {title}: files an hour", 3600 / middle_s, predicted)
