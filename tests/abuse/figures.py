"""What a second user sees under each of ten abuses: measured with and without, and written into docs/reliability.md.

``python -m tests.abuse.figures [--rounds 5] [--only NAME]``: run by `make abuse`.

In each of five rounds, each abuse meets a new service with its default settings, except that users' URLs may lead to
the attacker's port on loopback. The second user measures first undisturbed, then while a process
(`tests.abuse.attacks`) abuses the service by another account.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import count, product
from pathlib import Path

from tests.abuse.attacks import ATTACKS
from tests.abuse.long_mp3 import make_long_mp3
from tests.abuse.program import arguments
from tests.abuse.victim import Refused, Sample, TimedSMTPServer, Victim
from tests.acceptance.service import Role, Service, base_env, mail_env
from tests.media import make_video
from tests.report import write
from tests.servers import free_port

_ROOT = Path(__file__).parents[2]
_PREPARED_S = 120
_DELETED_S = 60.0
REQUESTS, SIGN_INS = 15, 3
"""Of each, before the job, and as many after it."""
GOALS = {"me_s": 3.0, "sign_in_s": 3.0, "job_s": 4.0, "email_s": 5.0}
"""The largest ratio to the undisturbed figure."""
_TITLES = {"me_s": "`/v1/me`", "sign_in_s": "sign-in", "job_s": "2-s job", "email_s": "email"}
_account_numbers = count(1)


@dataclass(frozen=True)
class Round:
    """One look without the abuse, and one under it."""

    calm: Sample
    abused: Sample


def make_media(folder: Path, size: float = 1.0) -> Path:
    """Makes what is converted: a clip of 2 s, a video of 10 minutes and an MP3 of 6 hours, or that share of them."""
    folder.mkdir(parents=True)
    make_video(folder / "short.mp4", 2)
    make_video(folder / "long.mp4", 600 * size)
    make_long_mp3(folder / "longest.mp3", round(360 * size), "anoisesrc=color=pink:sample_rate=8000", "8k")
    return folder


@dataclass(frozen=True)
class Stage:
    """A service, and where everything is that is needed to abuse it."""

    service: Service
    smtp: TimedSMTPServer
    media: Path
    receiver_port: int
    size: float

    def account(self) -> Victim:
        """Creates an account and signs it in."""
        clip = (self.media / "short.mp4").read_bytes()
        return Victim(self.service.url, self.smtp, f"account-{next(_account_numbers)}", clip)

    @contextmanager
    def abuse(self, name: str) -> Iterator[None]:
        """Lets a new account abuse the service; in the end the account is deleted, with all its conversions."""
        account = self.account()
        arguments = [name, "--port", self.service.url.rpartition(":")[2], "--receiver-port", str(self.receiver_port)]
        arguments += ["--token", account.token, "--media", str(self.media), "--size", str(self.size)]
        attack = Role(self.service.folder, name, arguments, self.service.env, "tests.abuse.attacks")
        try:
            attack.wait_for_output("ready")
            yield
            assert attack.process.poll() is None, f"{name} ended by itself"
        finally:
            attack.kill()
        _delete(account)


def _delete(account: Victim) -> None:
    """Deletes an account; tries again where the service is too busy."""
    deadline_s, is_repeated = time.monotonic() + _DELETED_S, False
    while True:
        try:
            account.delete_account()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            is_repeated = True
        except Refused:
            # The first request has done it, though its answer came too late.
            if not is_repeated:
                raise
            return
        else:
            return


@contextmanager
def stage(folder: Path, media: Path, size: float = 1.0, without: Callable[[], None] | None = None) -> Iterator[Stage]:
    """Starts a service with its default settings; users' URLs may lead to one port on loopback.

    `without` takes one of its guards out (see `tests.abuse.program`).
    """
    smtp = TimedSMTPServer()
    smtp.start()
    receiver_port = free_port()
    env = {
        "VIDEO2MP3_ALLOWED_NETWORKS": "127.0.0.0/8",
        "VIDEO2MP3_ALLOWED_PORTS": str(receiver_port),
        "PYTHONPATH": str(_ROOT),
    }
    folder.mkdir(parents=True)
    env = base_env(folder) | mail_env(smtp) | env
    service = Service(folder, env, smtp)
    service.roles["serve"] = role = Role(
        folder, "serve", arguments(["serve", "--port", "0"], without), env, "tests.abuse.program"
    )
    try:
        service.urls.append(role.wait_for_output(r"listens on (http://\S+)")[1])
        yield Stage(service, smtp, media, receiver_port, size)
    finally:
        # An orderly end would wait for what the abuse has left.
        role.kill()
        smtp.close()


def measure(
    stage: Stage,
    victim: Victim,
    name: str,
    *,
    warm_up_s: float = 3.0,
    requests: int = REQUESTS,
    sign_ins: int = SIGN_INS,
) -> Round:
    """Measures once undisturbed and once under an abuse that has gone on for `warm_up_s`."""
    calm = victim.measure(requests, sign_ins)
    return Round(calm, measure_abused(stage, victim, name, warm_up_s=warm_up_s, requests=requests, sign_ins=sign_ins))


def measure_abused(
    stage: Stage, victim: Victim, name: str, *, warm_up_s: float, requests: int, sign_ins: int
) -> Sample:
    """Measures once under an abuse that has gone on for `warm_up_s`."""
    with stage.abuse(name):
        time.sleep(warm_up_s)
        return victim.measure(requests, sign_ins)


def ratio(rounds: Sequence[Round], figure: str) -> tuple[float, float, float]:
    """Returns the ratio of the medians; and the smallest and the largest of the rounds' own."""
    calm = [getattr(one.calm, figure) for one in rounds]
    abused = [getattr(one.abused, figure) for one in rounds]
    own = [high / low for high, low in zip(abused, calm, strict=True)]
    return statistics.median(abused) / statistics.median(calm), min(own), max(own)


def breaches(rounds: Sequence[Round]) -> list[str]:
    """Returns the figures that miss their goal."""
    return [figure for figure, goal in GOALS.items() if ratio(rounds, figure)[0] > goal]


def table(measured: dict[str, list[Round]]) -> str:
    """The figures as Markdown."""
    names = [field.name for field in fields(Sample)]
    everything = [one.calm for rounds in measured.values() for one in rounds]
    usual = [f"{statistics.median(getattr(one, name) for one in everything) * 1000:.0f} ms" for name in names]
    lines = [
        "| abuse | " + " | ".join(_TITLES[name] for name in names) + " |",
        "|---|" + "--:|" * len(names),
        "| none: the median of all rounds | " + " | ".join(usual) + " |",
        "| goal | " + " | ".join(f"≤ {GOALS[name]:g}" for name in names) + " |",
    ]
    for abuse, rounds in measured.items():
        cells = [_cell(*ratio(rounds, name), GOALS[name]) for name in names]
        lines.append(f"| {abuse} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(middle: float, least: float, most: float, goal: float) -> str:
    missed = "**" if middle > goal else ""
    return f"{missed}{middle:.1f}{missed} ({least:.1f}–{most:.1f})"


def _measure_once(folder: Path, media: Path, name: str) -> Round:
    with stage(folder, media) as place:
        victim = place.account()
        victim.verify()
        victim.measure(requests=1, sign_ins=1)  # the first conversion starts what all the others find started
        return measure(place, victim, name)


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=ATTACKS, help="one abuse; writes nothing")
    options = parser.parse_args()
    names = options.only or list(ATTACKS)
    measured: dict[str, list[Round]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="video2mp3-abuse-") as temporary:
        media = make_media(Path(temporary) / "media")
        for number, name in product(range(options.rounds), names):
            measured[name].append(_measure_once(Path(temporary) / f"{number} {name}", media, name))
            print(f"{name}: {measured[name][-1]}", flush=True)
    print(table(measured))
    if options.only is None:
        write("make abuse", table(measured))
    missed = [name for name, rounds in measured.items() if breaches(rounds)]
    sys.exit(f"These miss a goal: {', '.join(missed)}." if missed else os.EX_OK)


if __name__ == "__main__":
    run()
