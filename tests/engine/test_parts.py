"""A track goes on where its stream ends: in the next link of an Ogg file, with another PID, in another format."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from tests.engine.sounds import BytesSource
from tests.engine.timed_media import WRITERS, Plan, Run, mp4_descriptions, mpegts
from tests.engine.tones import Tone, frequency_hz, heard
from tests.media import make_video
from video2mp3.engine import convert
from video2mp3.errors import UnsupportedFormat

THREE = (Run(0, 2, 0.0), Run(2, 2, 2.0), Run(4, 2, 4.0))


def assert_all_there(tones: list[Tone], seconds: int = 6) -> None:
    assert [tone.second for tone in tones] == list(range(seconds))
    assert [tone.start_s for tone in tones] == pytest.approx([n + 0.1 for n in range(seconds)], abs=0.03)


def made_tone(second: int, rate_hz: int) -> tuple[str, ...]:
    tone = f"sine=frequency={frequency_hz(second)}:duration=0.8:sample_rate={rate_hz}"
    return "-f", "lavfi", "-i", f"{tone},volume=4,adelay=100,apad=whole_dur=1"


LINKS = {
    "vorbis": (("libvorbis", 48_000, 1), ("libvorbis", 44_100, 2), ("libvorbis", 22_050, 1)),
    "opus": (("libopus", 48_000, 1), ("libopus", 48_000, 2), ("libopus", 24_000, 1)),
    "flac": (("flac", 48_000, 1), ("flac", 44_100, 2), ("flac", 96_000, 1)),
    "mixed": (("libvorbis", 48_000, 1), ("libopus", 48_000, 2), ("flac", 44_100, 1)),
}


class GrowingSource(BytesSource):
    growing = True


@pytest.mark.parametrize("links", LINKS)
def test_a_chained_ogg_file_goes_on_in_every_link(links: str, tmp_path: Path) -> None:
    """It should do so whether or not its end is there at the start of the conversion."""
    content = b""
    for second, (codec, rate_hz, channels) in enumerate(LINKS[links]):
        sound = made_tone(second, rate_hz)
        arguments = (*sound, "-c:a", codec, "-ac", str(channels), "-serial_offset", str(second))
        content += make(tmp_path / f"{second}.ogg", *arguments).read_bytes()
    made = {}
    for source in (BytesSource(content), GrowingSource(content)):
        with (tmp_path / "out.mp3").open("wb+") as sink:
            report = convert(source, sink)
        assert (report.truncated, report.damaged_packets) == (False, 0)
        made[type(source)] = (tmp_path / "out.mp3").read_bytes()
    assert made[BytesSource] == made[GrowingSource]
    assert_all_there(heard(tmp_path / "out.mp3"), 3)


def test_a_link_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    """It should be counted as damage."""
    content = b""
    for second in range(3):
        arguments = ("-c:a", "libopus", "-serial_offset", str(second))
        link = make(tmp_path / f"{second}.ogg", *made_tone(second, 48_000), *arguments).read_bytes()
        content += link.replace(b"OpusHead", b"OpusLost") if second == 1 else link
    for source in (BytesSource(content), GrowingSource(content)):
        with (tmp_path / "out.mp3").open("wb+") as sink:
            assert convert(source, sink).damaged_packets == 1
        assert [tone.second for tone in heard(tmp_path / "out.mp3")] == [0, 2]


@pytest.mark.parametrize("pids", [(0x101, 0x111, 0x111), (0x101, 0x111, 0x101), (0x101, 0x111, 0x121)])
@pytest.mark.parametrize("kind", [BytesSource, GrowingSource])
def test_a_track_goes_on_with_another_pid(kind: type[BytesSource], pids: tuple[int, ...], tmp_path: Path) -> None:
    plan = Plan(THREE, video_at_s=0.0, video_s=6)
    packets = [replace(packet, pid=pids[packet.run]) for packet in plan.packets("aac", "mpeg2video")]
    with (tmp_path / "out.mp3").open("wb+") as sink:
        report = convert(kind(mpegts(plan, packets=packets)), sink)
    assert (report.truncated, report.damaged_packets, report.warnings) == (False, 0, ())
    assert_all_there(heard(tmp_path / "out.mp3"))


def test_a_track_goes_on_in_another_program(tmp_path: Path) -> None:
    """It should do so where two recordings follow each other in one file, as `cat` makes it."""
    content = b""
    for number in (1, 2):
        ids = ("-mpegts_start_pid", str(256 * number), "-mpegts_service_id", str(number), "-mpegts_pmt_start_pid")
        video = make_video(tmp_path / f"{number}.ts", 2, audio=("-c:a", "mp2", *ids, str(4096 + 16 * number)))
        content += video.read_bytes()
    (tmp_path / "two.ts").write_bytes(content)
    assert converted(tmp_path / "two.ts", tmp_path / "out.mp3").duration_s == pytest.approx(4.0, abs=0.1)


def test_a_track_goes_on_between_short_parts_with_a_new_clock(tmp_path: Path) -> None:
    """It should do so where another PID has less than a megabyte, and no gap shows that it was there."""
    content = b""
    for number in (0, 1, 0, 1, 0):
        sound = make(tmp_path / "part.ts", *made_tone(number, 48_000), "-c:a", "mp2", "-b:a", "320k",
                     "-mpegts_start_pid", str(256 + 16 * number))  # fmt: skip
        content += sound.read_bytes()
    (tmp_path / "parts.ts").write_bytes(content)
    converted(tmp_path / "parts.ts", tmp_path / "out.mp3")
    assert [tone.second for tone in heard(tmp_path / "out.mp3")] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("programs", ["often", "once"])
def test_a_second_track_is_not_taken_for_the_first(programs: str, tmp_path: Path) -> None:
    """It should be silent where only the other track has sound, whether or not the programs are named there."""
    plan = Plan((Run(0, 2, 0.0), Run(4, 2, 4.0)), video_at_s=0.0, video_s=6)
    other = ("-f", "lavfi", "-i", "sine=frequency=3000:duration=6,volume=4")
    (tmp_path / "gap.ts").write_bytes(mpegts(plan))
    tracks = ("-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:v", "copy", "-c:a:0", "copy", "-c:a:1", "mp2")
    make(tmp_path / "both.ts", "-i", str(tmp_path / "gap.ts"), *other, *tracks, "-copyts")
    if programs == "once":
        content = (tmp_path / "both.ts").read_bytes()
        packets = [content[at : at + 188] for at in range(0, len(content), 188)]
        later = [packet for packet in packets[20:] if packet[1] & 0x1F or packet[2]]
        (tmp_path / "both.ts").write_bytes(b"".join([*packets[:20], *later]))
    converted(tmp_path / "both.ts", tmp_path / "out.mp3", track=1)
    assert [tone.second for tone in heard(tmp_path / "out.mp3")] == [0, 1, 4, 5]


@pytest.mark.parametrize("form", ["ts", "flv", "mp4"])
def test_sound_goes_on_where_its_rate_and_channels_change(form: str, tmp_path: Path) -> None:
    """It should do so with new headers in the stream, and with several sample descriptions in an MP4."""
    runs = (THREE[0], replace(THREE[1], rate_hz=44_100, layout="stereo"), replace(THREE[2], rate_hz=24_000))
    file = tmp_path / f"changed.{form}"
    write = mp4_descriptions if form == "mp4" else WRITERS[form]
    file.write_bytes(write(Plan(runs, None if form == "mp4" else 0.0, 6)))
    report = converted(file, tmp_path / "out.mp3")
    assert (report.mp3_sample_rate_hz, report.damaged_packets, report.timeline.gaps) == (48_000, 0, ())
    assert_all_there(heard(tmp_path / "out.mp3"))


@pytest.mark.parametrize("form", ["mp4", "mkv"])
def test_sound_goes_on_where_the_frames_of_ac3_change(form: str, tmp_path: Path) -> None:
    content = b""
    for second, (rate_hz, channels) in enumerate(((48_000, 1), (48_000, 6), (44_100, 2))):
        sound = made_tone(second, rate_hz)
        content += make(tmp_path / "part.ac3", *sound, "-c:a", "ac3", "-ac", str(channels)).read_bytes()
    (tmp_path / "whole.ac3").write_bytes(content)
    file = make(tmp_path / f"changed.{form}", "-i", str(tmp_path / "whole.ac3"), "-c", "copy")
    report = converted(file, tmp_path / "out.mp3")
    assert (report.damaged_packets, report.timeline.gaps, report.warnings) == (0, (), ())
    assert [tone.second for tone in heard(tmp_path / "out.mp3")] == [0, 1, 2]


@pytest.mark.parametrize("garbage", [bytes(256 * 1024), random.Random(1).randbytes(100_000), b"<html>sorry" * 20_000])
def test_an_mp3_is_found_behind_garbage(garbage: bytes, tmp_path: Path) -> None:
    """It should lose nothing, count nothing as damage, and still read the tags."""
    sound = ("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "libmp3lame", "-metadata", "title=Behind")
    mp3 = make(tmp_path / "sound.mp3", *sound).read_bytes()
    (tmp_path / "behind.mp3").write_bytes(garbage + mp3)
    whole = converted(tmp_path / "sound.mp3", tmp_path / "whole.out.mp3")
    report = converted(tmp_path / "behind.mp3", tmp_path / "out.mp3")
    assert (report.samples, report.title, report.warnings) == (whole.samples, "Behind", ())
    assert (tmp_path / "out.mp3").read_bytes() == (tmp_path / "whole.out.mp3").read_bytes()


def test_garbage_alone_is_no_mp3(tmp_path: Path) -> None:
    (tmp_path / "garbage.mp3").write_bytes(random.Random(2).randbytes(100_000))
    with pytest.raises(UnsupportedFormat):
        converted(tmp_path / "garbage.mp3", tmp_path / "out.mp3")
