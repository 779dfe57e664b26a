"""Damaged packets: their time is kept."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.engine.converting import converted, loudness_of, make, values
from tests.servers import require_program
from video2mp3.errors import DamagedAudio

DAMAGED = range(20, 30)


def damage(path: Path) -> None:
    """Overwrites some of the packets with what no decoder takes."""
    command = [require_program("ffprobe"), "-v", "error", "-show_packets", "-of", "json", str(path)]
    packets = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["packets"]
    data = bytearray(path.read_bytes())
    for number in DAMAGED:
        place, size = int(packets[number]["pos"]), int(packets[number]["size"])
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)


@pytest.mark.parametrize(("codec", "suffix"), [("aac", "mp4"), ("libopus", "mp4"), ("aac", "mov")])
def test_damaged_packets_become_silence_of_the_right_length(codec: str, suffix: str, tmp_path: Path) -> None:
    tone = "aevalsrc=0.3*sin(2*PI*440*t)+0.01*random(0):d=6:s=44100"
    source = make(tmp_path / f"a.{suffix}", "-f", "lavfi", "-i", tone, "-c:a", codec)
    whole = converted(source, tmp_path / "whole.mp3")
    assert (whole.damaged_packets, whole.silenced_samples) == (0, 0)
    damage(source)
    report = converted(source, tmp_path / "a.mp3")
    assert report.damaged_packets >= 5
    assert report.silenced_samples > 0
    assert abs(report.samples - whole.samples) <= 1
    assert "damaged" in report.warnings[0]
    before, after = values(tmp_path / "whole.mp3"), values(tmp_path / "a.mp3")
    middle = round(25 * report.silenced_samples / report.damaged_packets)
    assert loudness_of(after[middle - 500 : middle + 500]) < 0.1 * loudness_of(before[middle - 500 : middle + 500])
    late = range(len(after) - 44100, len(after) - 4410)
    difference = [before[n] - after[n] for n in late]
    assert (sum(d * d for d in difference) / len(difference)) ** 0.5 < 0.2 * loudness_of(before[late.start : late.stop])
    with pytest.raises(DamagedAudio):
        converted(source, tmp_path / "a.mp3", fail_on_damage=True)


@pytest.mark.parametrize("layout", ["7.1", "6.1"])
def test_damaged_packets_of_many_channels_become_silence_too(layout: str, tmp_path: Path) -> None:
    """It should not crash the process where PyAV lists planes that a frame does not have."""
    channels = "|".join(["0.1*sin(2*PI*440*t)"] * (8 if layout == "7.1" else 7))
    source = make(tmp_path / "a.mp4", "-f", "lavfi", "-i", f"aevalsrc={channels}:c={layout}:d=2:s=44100", "-c:a", "aac")
    damage(source)
    report = converted(source, tmp_path / "a.mp3")
    assert report.damaged_packets >= 5
    assert report.silenced_samples > 0
