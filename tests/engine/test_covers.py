"""Covers and chapters, as mutagen reads them back."""

import functools
import random
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.mp4 import MP4, MP4Cover

from tests.engine.converting import converted, make
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from video2mp3.engine.child.pictures.cover import cleaned
from video2mp3.engine.child.pictures.frame import MAX_PIXELS
from video2mp3.errors import InvalidCover

EXIF = b"\xff\xe1\x00\x10Exif\0\0 40.6800"


def frames_of(path: Path, kind: str) -> list[Any]:
    found: Any = ID3(path)  # type: ignore[no-untyped-call]
    return list(found.getall(kind))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("covers")


@pytest.fixture(scope="module")
def jpeg(folder: Path) -> bytes:
    """A picture with a place in it."""
    plain = make(folder / "plain.jpg", "-f", "lavfi", "-i", "testsrc=s=600x600", "-frames:v", "1").read_bytes()
    return plain[:2] + EXIF + plain[2:]


@pytest.fixture(scope="module")
def song(folder: Path, jpeg: bytes) -> Path:
    """With a cover and three chapters of a second each."""
    (folder / "cover.jpg").write_bytes(jpeg)
    lines = [";FFMETADATA1"]
    for n in range(3):
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={n * 1000}",
            f"END={n * 1000 + 1000}",
            f"title=Part {n + 1} ✓",
        ]
    (folder / "chapters").write_text("\n".join(lines))
    inputs = ["-f", "lavfi", "-i", "sine=d=3", "-i", str(folder / "cover.jpg"), "-i", str(folder / "chapters")]
    how = ["-map", "0:a", "-map", "1:v", "-map_chapters", "2", "-c:v", "copy", "-disposition:v", "attached_pic"]
    return make(folder / "song.m4a", *inputs, *how, "-c:a", "aac")


def test_the_source_s_cover_is_kept_without_its_place(song: Path, jpeg: bytes, tmp_path: Path) -> None:
    with_cover = converted(song, tmp_path / "a.mp3")
    (picture,) = frames_of(tmp_path / "a.mp3", "APIC")
    assert (picture.mime, picture.type) == ("image/jpeg", 3)
    assert EXIF in jpeg
    assert b"Exif" not in picture.data
    assert b"Lavc" not in picture.data
    (tmp_path / "out.jpg").write_bytes(picture.data)
    (tmp_path / "cover.jpg").write_bytes(jpeg)
    pixels = [
        make(tmp_path / f"{name}.rgb", "-i", str(tmp_path / f"{name}.jpg"), "-f", "rawvideo")
        for name in ("out", "cover")
    ]
    assert pixels[0].read_bytes() == pixels[1].read_bytes()
    assert samples_decoded(tmp_path / "a.mp3", 1) == (with_cover.samples, with_cover.samples)
    without = converted(song, tmp_path / "b.mp3", cover="none")
    assert frames_of(tmp_path / "b.mp3", "APIC") == []
    assert without.samples == with_cover.samples
    assert (tmp_path / "a.mp3").read_bytes().endswith((tmp_path / "b.mp3").read_bytes()[4096:])


def test_a_png_loses_its_texts_and_nothing_else(tmp_path: Path) -> None:
    source = ["-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1"]
    plain = make(tmp_path / "a.png", *source).read_bytes()
    text = b"\0\0\0\x08tEXtGPS\x00here\0\0\0\0"
    assert cleaned(plain[:33] + text + plain[33:]) == ("image/png", plain)
    assert cleaned(plain[:-20]) is None
    assert cleaned(plain[:60] + bytes([plain[60] ^ 1]) + plain[61:]) is None  # damaged: its checksum tells


# -- a picture that is given ----------------------------------------------------------------------------

ONE_PICTURE = ["-frames:v", "1"]
TEST_PICTURE = ["-f", "lavfi", "-i", "testsrc=s=300x200", *ONE_PICTURE]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "sound.wav", 8000)


def given(sound: Path, picture: bytes) -> bytes:
    """The cover of an MP3 that was to have this one."""
    converted(sound, sound.with_suffix(".mp3"), cover_picture=picture)
    (cover,) = frames_of(sound.with_suffix(".mp3"), "APIC")
    assert (cover.mime, cover.type) == ("image/png" if picture.startswith(b"\x89") else "image/jpeg", 3)
    data: bytes = cover.data
    return data


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "commented.jpg"])
def test_a_given_picture_keeps_its_pixels_and_loses_the_rest(name: str, sound: Path, tmp_path: Path) -> None:
    plain = make(tmp_path / name, *TEST_PICTURE)
    if name.startswith("commented"):
        plain.write_bytes(commented(plain.read_bytes()))
    private = b"\0\0\0\x08tEXtGPS\x00here" + struct.pack(">I", zlib.crc32(b"tEXtGPS\x00here"))
    data = plain.read_bytes()
    if name.endswith("png"):
        data = data[:33] + private + data[33:]
    else:
        data = data[:2] + b"\xff\xff" + EXIF + data[2:] + b"a video, as phones put it behind: GPS"
    cover = given(sound, data)
    assert b"GPS" not in cover
    assert b"Exif" not in cover
    assert b"Lavc" not in cover
    (tmp_path / f"cover-{name}").write_bytes(cover)
    pixels = [
        make(tmp_path / "x.rgb", "-i", str(path), "-f", "rawvideo").read_bytes()
        for path in (plain, tmp_path / f"cover-{name}")
    ]
    assert pixels[0] == pixels[1]


def commented(jpeg: bytes) -> bytes:
    """The same picture with a comment between its data and its end, as where there is more than one scan."""
    return jpeg[:-2] + b"\xff\xfe\x00\x05GPS" + jpeg[-2:]


def png_of(width: int, height: int, data_bytes: int = 10**6) -> bytes:
    """Grey; claims a size, and has some of it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(data_bytes))), (b"IEND", b"")]
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts])


def jpeg_of(jpeg: bytes, width: int, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def test_what_is_no_whole_picture_is_refused(pictures: dict[str, bytes], sound: Path, tmp_path: Path) -> None:
    jpeg = make(tmp_path / "a.jpg", *TEST_PICTURE).read_bytes()
    png, gif, bmp, tiff = (pictures[kind] for kind in ("png", "gif", "bmp", "tiff"))
    damaged = bytearray(png)
    damaged[-40] ^= 0xFF
    noise = random.Random(1).randbytes(200)
    broken = [
        b"",
        noise,
        b"\xff\xd8\xff" + noise,
        b"\x89PNG\r\n\x1a\n" + noise,
        bytes(damaged),
        tiff,
        gif[:500],
        bmp[:-900],
        too_wide(bmp),
    ]
    broken += [picture[: len(picture) * part // 10] for picture in (jpeg, png) for part in (1, 5, 9)]
    broken += [png_of(60_000, 60_000), png_of(0, 0), png_of(2**31 - 1, 1), jpeg_of(jpeg, 65_500, 65_500)]
    for picture in broken:
        with pytest.raises(InvalidCover):
            converted(sound, tmp_path / "a.mp3", cover_picture=picture)
    assert given(sound, png) == png


def test_a_picture_of_too_many_pixels_is_refused_also_where_it_is_whole(sound: Path, tmp_path: Path) -> None:
    most, too_many = (png_of(8000, height, height * 8001) for height in (MAX_PIXELS // 8000, MAX_PIXELS // 8000 + 1))
    assert given(sound, most) == most
    with pytest.raises(InvalidCover):
        converted(sound, tmp_path / "a.mp3", cover_picture=too_many)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_damaged_pictures_are_refused_or_taken(kind: str, sound: Path, tmp_path: Path) -> None:
    picture = make(tmp_path / f"a.{kind}", *TEST_PICTURE).read_bytes()
    refused = 0
    for seed in range(30):
        chance, damaged = random.Random(seed), bytearray(picture)
        for _ in range(chance.randint(1, 20)):
            damaged[chance.randrange(3, len(damaged))] = chance.randrange(256)
        try:
            converted(sound, tmp_path / "a.mp3", cover_picture=bytes(damaged))
        except InvalidCover:
            refused += 1
    assert refused > 10


def test_the_largest_picture_goes_through(sound: Path, tmp_path: Path) -> None:
    """It is of several megabytes, which go to the child in one line."""
    source = ["-f", "lavfi", "-i", "testsrc2=s=1200x900,noise=alls=60", "-frames:v", "1", "-pix_fmt", "rgb24"]
    picture = make(tmp_path / "a.png", *source).read_bytes()
    assert 2_000_000 < len(picture) <= 5_000_000
    assert given(sound, picture) == picture


@pytest.mark.parametrize(
    "picture", [b"", b"GIF89a", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\xff\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_whole_picture_is_left_out(picture: bytes) -> None:
    assert cleaned(picture) is None


def test_chapters_are_written(song: Path, tmp_path: Path) -> None:
    converted(song, tmp_path / "a.mp3")
    chapters = frames_of(tmp_path / "a.mp3", "CHAP")
    found = [(c.start_time, c.end_time, str(c.sub_frames["TIT2"])) for c in chapters]
    assert found == [(0, 1000, "Part 1 ✓"), (1000, 2000, "Part 2 ✓"), (2000, 3000, "Part 3 ✓")]
    (contents,) = frames_of(tmp_path / "a.mp3", "CTOC")
    assert contents.child_element_ids == [c.element_id for c in chapters]
    assert int(contents.flags) == 3


def test_chapters_move_with_the_start(song: Path, tmp_path: Path) -> None:
    converted(song, tmp_path / "a.mp3", start_s=1.5, end_s=2.25)
    found = [(c.start_time, c.end_time) for c in frames_of(tmp_path / "a.mp3", "CHAP")]
    assert found == [(0, 500), (500, 750)]
    converted(song, tmp_path / "a.mp3", chapters=False)
    assert frames_of(tmp_path / "a.mp3", "CHAP") == []


# -- pictures of other kinds ----------------------------------------------------------------------------

SHORT_SOUND = ["-f", "lavfi", "-i", "sine=d=0.2"]
KINDS = {
    "png": "image/png",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "webp": "image/webp",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "heic": "image/heic",
}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("pictures")
    others = [word for kind in ("png", "gif", "bmp", "tiff", "webp") for word in (f"{folder}/a.{kind}", *ONE_PICTURE)]
    still = ("-c:v", "libaom-av1", "-cpu-used", "8", "-still-picture", "1")
    make(folder / "a.avif", *TEST_PICTURE, *others, *still)
    found = {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}
    return {**found, "heic": found["avif"].replace(b"ftypavif", b"ftypheic", 1)}


@pytest.mark.parametrize("kind", ["gif", "bmp", "webp", "avif"])
def test_a_given_picture_of_another_kind_becomes_a_jpeg(kind: str, pictures: dict[str, bytes], sound: Path) -> None:
    assert_shows_the_test_picture(given(sound, pictures[kind]), pictures)


@pytest.mark.parametrize("container", ["mp3", "flac", "m4a", "mka"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cover_of_any_kind_is_a_jpeg_or_causes_a_warning(
    kind: str, container: str, pictures: dict[str, bytes], tmp_path: Path
) -> None:
    song = with_pictures(tmp_path / f"song.{container}", [(3, KINDS[kind], pictures[kind])])
    report = converted(song, tmp_path / "a.mp3")
    found = frames_of(tmp_path / "a.mp3", "APIC")
    if kind in ("tiff", "heic"):
        assert found == []
        assert report.warnings == (f"The file's picture is not used as the cover: {kind.upper()} is not converted.",)
        return
    assert report.warnings == ()
    (picture,) = found
    assert (picture.mime, picture.type) == ("image/png" if kind == "png" else "image/jpeg", 3)
    assert_shows_the_test_picture(picture.data, pictures)


@pytest.mark.parametrize("kind", ["png", "avif"])
@pytest.mark.parametrize("container", ["mp3", "flac", "mka"])
def test_the_front_cover_is_preferred(kind: str, container: str, pictures: dict[str, bytes], tmp_path: Path) -> None:
    """It should find it behind the others, also where libavformat does not know its media type."""
    other = (4, "image/bmp", pictures["bmp"][:54] + bytes(len(pictures["bmp"]) - 54))
    song = with_pictures(tmp_path / f"song.{container}", [other, (0, *other[1:]), (3, KINDS[kind], pictures[kind])])
    converted(song, tmp_path / "a.mp3")
    (picture,) = frames_of(tmp_path / "a.mp3", "APIC")
    assert_shows_the_test_picture(picture.data, pictures)


def test_a_damaged_cover_causes_a_warning_and_the_next_picture_is_used(
    pictures: dict[str, bytes], tmp_path: Path
) -> None:
    damaged = [b"\xff\xd8\xff" + bytes(500), pictures["webp"][:60], too_wide(pictures["bmp"])]
    for number, picture in enumerate(damaged):
        front = (3, "image/jpeg", picture)
        song = with_pictures(tmp_path / f"{number}.mp3", [front, (0, "image/png", pictures["png"])])
        report = converted(song, tmp_path / "a.mp3")
        assert report.warnings == ("The file's picture is damaged and is not used as the cover.",)
        assert len(frames_of(tmp_path / "a.mp3", "APIC")) == 1


def too_wide(bmp: bytes) -> bytes:
    return bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:]


def assert_shows_the_test_picture(picture: bytes, pictures: dict[str, bytes]) -> None:
    found, wanted = small_and_gray(picture), small_and_gray(pictures["png"])
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 30


@functools.cache
def small_and_gray(picture: bytes) -> bytes:
    """A picture as ffmpeg sees it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "picture").write_bytes(picture)
        size = ["-vf", "scale=30:20", "-pix_fmt", "gray", "-f", "rawvideo"]
        return make(folder / "picture.raw", "-i", str(folder / "picture"), *size).read_bytes()


@functools.cache
def plain_song(suffix: str) -> bytes:
    """A fifth of a second without a picture."""
    with tempfile.TemporaryDirectory() as folder:
        return make(Path(folder, f"song{suffix}"), *SHORT_SOUND).read_bytes()


def with_pictures(path: Path, attached: list[tuple[int, str, bytes]]) -> Path:
    """Makes a file whose pictures have these types, media types and bytes."""
    attach: list[str] = []
    for number, (kind, media_type, data) in enumerate(attached):
        name = f"cover{number}" if kind != 3 else "cover"
        (path.parent / name).write_bytes(data)
        attach += ["-attach", str(path.parent / name)]
        attach += [f"-metadata:s:t:{number}", f"mimetype={media_type}", f"-metadata:s:t:{number}", f"filename={name}.x"]
    if path.suffix == ".mka":
        make(path, *SHORT_SOUND, *attach)
    else:
        path.write_bytes(plain_song(path.suffix))
    if path.suffix == ".mp3":
        tag: Any = ID3()  # type: ignore[no-untyped-call]
        for number, (kind, media_type, data) in enumerate(attached):
            tag.add(APIC(encoding=1, mime=media_type, type=kind, desc=f"№ {number}", data=data))  # type: ignore[no-untyped-call]
        tag.save(path)
    if path.suffix == ".flac":
        flac: Any = FLAC(path)  # type: ignore[no-untyped-call]
        for kind, media_type, data in attached:
            picture: Any = Picture()  # type: ignore[no-untyped-call]
            picture.type, picture.mime, picture.data = kind, media_type, data
            flac.add_picture(picture)
        flac.save()
    if path.suffix == ".m4a":
        mp4: Any = MP4(path)  # type: ignore[no-untyped-call]
        mp4["covr"] = [MP4Cover(data) for *_, data in attached]  # type: ignore[no-untyped-call]
        mp4.save()
    return path
