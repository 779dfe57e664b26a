"""Media files whose time stamps say anything: gaps, late starts, jumps backward, wraps, with or without a video.

Sound and pictures are encoded once; each container is written here, packet by packet, from its specification: ISO/IEC
13818-1 (MPEG-TS), RFC 9559 (Matroska), Adobe's FLV 10.1, RFC 3533 and 7845 (Ogg Opus). Only MP4 is written by FFmpeg;
its edit lists and the times of its fragments (ISO/IEC 14496-12) are then replaced.
"""

import struct
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial, reduce
from itertools import groupby
from pathlib import Path
from typing import Any

import av
from av import AudioFrame, Packet, VideoFrame

from tests.engine.converting import make
from tests.engine.tones import RATE_HZ, second_of_sound

SECONDS = 12
"""Seconds of sound to choose from."""
PICTURES_HZ = 4
_WIDTH, _HEIGHT = 96, 64


@dataclass(frozen=True)
class Run:
    """Seconds of the sound that follow each other, and when the first of them begins on the file's clock."""

    first: int
    count: int
    at_s: float
    rate_hz: int = RATE_HZ
    layout: str = "mono"

    @property
    def end_s(self) -> float:
        return self.at_s + self.count


@dataclass(frozen=True)
class Timed:
    """One packet, and its time on the file's clock."""

    data: bytes
    at_s: float
    duration_s: float
    is_sound: bool = True
    run: int = 0
    rate_hz: int = RATE_HZ
    layout: str = "mono"
    pid: int = 0x101
    """In MPEG-TS."""


@dataclass(frozen=True)
class Plan:
    """What a file holds."""

    runs: tuple[Run, ...]
    video_at_s: float | None = None
    """When the video begins; None: there is none."""
    video_s: float = 1.0
    chapters: tuple[tuple[float, float, str], ...] = ()
    """Start, end and title, on the file's clock."""

    def packets(self, codec: str, video_codec: str) -> list[Timed]:
        """All packets in the order in which they are stored: by run, then by time."""
        video = self._video(video_codec)
        packets: list[Timed] = []
        for number, run in enumerate(self.runs):
            sound = [
                Timed(data, run.at_s + at_s - run.first, duration_s, True, number, run.rate_hz, run.layout)
                for data, at_s, duration_s in sound_packets(codec, run.rate_hz, run.layout).packets
                if run.first <= at_s < run.first + run.count
            ]
            is_last = number == len(self.runs) - 1
            with_sound = [one for one in video if is_last or one.at_s < run.end_s]
            video = video[len(with_sound) :]
            packets += sorted([*with_sound, *sound], key=lambda one: (one.at_s, one.is_sound))
        return packets

    def _video(self, codec: str) -> list[Timed]:
        if self.video_at_s is None or not codec:
            return []
        pictures = encoded_pictures(codec)
        count = round(self.video_s * PICTURES_HZ)
        return [
            Timed(pictures[number % len(pictures)], self.video_at_s + number / PICTURES_HZ, 1 / PICTURES_HZ, False)
            for number in range(count)
        ]


@dataclass(frozen=True)
class Sound:
    """The encoded sound."""

    packets: tuple[tuple[bytes, float, float], ...]
    """Data, time and duration in seconds."""
    header: bytes


@cache
def sound_packets(codec: str, rate_hz: int = RATE_HZ, layout: str = "mono") -> Sound:
    """All seconds of the sound, encoded without what an encoder puts before the first."""
    if codec == "libvorbis":
        return _sound_by_ffmpeg(codec, rate_hz)
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.bit_rate = rate_hz, layout, 64_000
    encoder.format = "s16" if codec == "libopus" else "fltp"
    encoder.time_base = Fraction(1, rate_hz)
    encoder.flags |= 1 << 22  # the header apart from the packets
    resampler = av.AudioResampler(encoder.format, layout, rate_hz, encoder.frame_size or None)
    found: list[tuple[bytes, float, float]] = []
    for second in range(SECONDS + 1):
        pcm = AudioFrame("s16", "mono", rate_hz)
        pcm.planes[0].update(second_of_sound(second, rate_hz).tobytes() if second < SECONDS else bytes(2 * rate_hz))
        pcm.sample_rate, pcm.pts, pcm.time_base = rate_hz, second * rate_hz, Fraction(1, rate_hz)
        for frame in resampler.resample(pcm):
            for packet in encoder.encode(frame):
                at_s = float((packet.pts or 0) * Fraction(1, rate_hz))
                found.append((bytes(packet), at_s, float((packet.duration or 0) * Fraction(1, rate_hz))))
    return Sound(tuple(one for one in found if one[1] >= 0), bytes(encoder.extradata or b""))


def _sound_by_ffmpeg(codec: str, rate_hz: int) -> Sound:
    """The same by an encoder that PyAV does not have."""
    with tempfile.TemporaryDirectory() as folder:
        with wave.open(str(Path(folder, "sound.wav")), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate_hz)
            for second in range(SECONDS):
                sound.writeframes(second_of_sound(second, rate_hz).tobytes())
        encoded = make(Path(folder, "sound.nut"), "-i", str(Path(folder, "sound.wav")), "-c:a", codec)
        with av.open(str(encoded)) as file:
            stream = file.streams.audio[0]
            found = [
                (bytes(packet), float(packet.pts * packet.time_base), float((packet.duration or 0) * packet.time_base))
                for packet in file.demux(stream)
                if packet.pts is not None
            ]
            return Sound(tuple(one for one in found if one[1] >= 0), bytes(stream.codec_context.extradata or b""))


@cache
def encoded_pictures(codec: str) -> tuple[bytes, ...]:
    """A few pictures of noise, each of which stands alone."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.framerate = _WIDTH, _HEIGHT, Fraction(25)
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.time_base, encoder.bit_rate, encoder.gop_size = Fraction(1, 25), 2_000_000, 0
    found = []
    for number in range(4):
        picture = VideoFrame(_WIDTH, _HEIGHT, encoder.pix_fmt)
        for place, plane in enumerate(picture.planes):
            state = 1 + number * 3 + place
            noise = bytearray()
            for _ in range(plane.buffer_size):
                state = state * 1103515245 + 12345 & 0x7FFFFFFF
                noise.append(state >> 16 & 0xFF)
            plane.update(bytes(noise))
        picture.pts, picture.pict_type = number, av.video.frame.PictureType.I
        found += [bytes(packet) for packet in encoder.encode(picture)]
    found += [bytes(packet) for packet in encoder.encode(None)]
    return tuple(found)


# -- MPEG-TS ------------------------------------------------------------------------------------------

_PMT_PID, _VIDEO_PID = 0x100, 0x200
_ADTS_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
WRAP = 2**33


def mpegts(plan: Plan, first_ticks: int = 90_000, packets: Sequence[Timed] | None = None) -> bytes:
    """AAC in ADTS; `first_ticks` is the stamp of the clock's zero, and stamps wrap after 33 bits."""
    written = bytearray()
    counters: dict[int, int] = {}
    pid = 0
    for number, packet in enumerate(plan.packets("aac", "mpeg2video") if packets is None else packets):
        if number % 20 == 0 or (packet.is_sound and packet.pid != pid):
            pid = packet.pid if packet.is_sound else pid or 0x101
            streams = [(0x02, _VIDEO_PID)] if plan.video_at_s is not None else []
            written += _section(0, b"\0\0\xb0\x0d\0\x01\xc1\0\0\0\x01" + struct.pack(">H", 0xE000 | _PMT_PID), counters)
            written += _section(_PMT_PID, _map([*streams, (0x0F, pid)], version=pid & 0x1F), counters)
        data = _adts(packet) if packet.is_sound else packet.data
        ticks = (first_ticks + round(packet.at_s * 90_000)) % WRAP
        length = len(data) + 8 if packet.is_sound else 0
        pes = b"\0\0\1" + (b"\xc0" if packet.is_sound else b"\xe0") + struct.pack(">H", length) + b"\x80\x80\x05"
        written += _ts_packets(packet.pid if packet.is_sound else _VIDEO_PID, pes + _stamp(ticks) + data, counters)
    return bytes(written)


def _stamp(ticks: int) -> bytes:
    bits = (
        0b0010 << 36 | ticks >> 30 << 33 | 1 << 32 | (ticks >> 15 & 0x7FFF) << 17 | 1 << 16 | (ticks & 0x7FFF) << 1 | 1
    )
    return bits.to_bytes(5, "big")


def _map(streams: Sequence[tuple[int, int]], version: int) -> bytes:
    body = b"".join(struct.pack(">BHH", kind, 0xE000 | pid, 0xF000) for kind, pid in streams)
    head = struct.pack(">HBBBHH", 1, 0xC1 | version << 1, 0, 0, 0xE000 | streams[0][1], 0xF000)
    return b"\0\x02" + struct.pack(">H", 0xB000 | len(head) + len(body) + 4) + head + body


def _section(pid: int, section: bytes, counters: dict[int, int]) -> bytes:
    checksum = 0xFFFFFFFF
    for byte in section[1:]:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    whole = section + struct.pack(">I", checksum)
    return _ts_packets(pid, whole + b"\xff" * (184 - len(whole)), counters)


def _ts_packets(pid: int, payload: bytes, counters: dict[int, int]) -> bytes:
    written = bytearray()
    for start in range(0, len(payload), 184):
        part = payload[start : start + 184]
        counter = counters[pid] = (counters.get(pid, -1) + 1) % 16
        stuffing = 184 - len(part)
        field_ = b"" if not stuffing else bytes([stuffing - 1]) + (b"\0" + b"\xff" * (stuffing - 2))[: stuffing - 1]
        flags = (0x30 if stuffing else 0x10) | counter
        written += struct.pack(">BHB", 0x47, (0x4000 if not start else 0) | pid, flags) + field_ + part
    return bytes(written)


def _adts(packet: Timed) -> bytes:
    size, rate = len(packet.data) + 7, _ADTS_RATES_HZ.index(packet.rate_hz)
    channels = 1 if packet.layout == "mono" else 2
    bits = 0xFFF1 << 40 | 1 << 38 | rate << 34 | channels << 30 | size << 13 | 0x7FF << 2
    return bits.to_bytes(7, "big") + packet.data


# -- Matroska and WebM --------------------------------------------------------------------------------


def matroska(plan: Plan) -> bytes:
    """AAC and MJPEG."""
    return _matroska(plan, "matroska", ("aac", b"A_AAC"), ("mjpeg", b"V_MJPEG"))


def webm(plan: Plan) -> bytes:
    """Opus and VP8."""
    return _matroska(plan, "webm", ("libopus", b"A_OPUS"), ("libvpx", b"V_VP8"))


def _matroska(plan: Plan, kind: str, sound: tuple[str, bytes], video: tuple[str, bytes]) -> bytes:
    audio = _el(0xE1, _el(0xB5, struct.pack(">d", RATE_HZ)) + _el(0x9F, b"\x01"))
    private = _el(0x63A2, sound_packets(sound[0]).header)
    tracks = _track(1, 2, sound[1], audio + private)
    if plan.video_at_s is not None:
        size = _el(0xB0, struct.pack(">H", _WIDTH)) + _el(0xBA, struct.pack(">H", _HEIGHT))
        tracks = _track(2, 1, video[1], _el(0xE0, size)) + tracks
    head = _el(0x1A45DFA3, _el(0x4282, kind.encode()) + _el(0x4287, b"\x04") + _el(0x4285, b"\x02"))
    body = _el(0x1549A966, _el(0x2AD7B1, (1_000_000).to_bytes(4, "big")) + _el(0x4D80, b"t") + _el(0x5741, b"t"))
    body += _el(0x1654AE6B, tracks) + _chapters(plan)
    for start_ms, packets in _clusters(plan.packets(sound[0], video[0])):
        blocks = b"".join(
            _el(
                0xA3,
                (b"\x81" if packet.is_sound else b"\x82")
                + struct.pack(">h", _ms(packet) - start_ms)
                + b"\x80"
                + packet.data,
            )
            for packet in packets
        )
        body += _el(0x1F43B675, _el(0xE7, start_ms.to_bytes(8, "big")) + blocks)
    return head + _el(0x18538067, body)


def _ms(packet: Timed) -> int:
    return round(packet.at_s * 1000)


def _clusters(packets: Sequence[Timed]) -> Iterator[tuple[int, list[Timed]]]:
    for _, group in groupby(packets, lambda one: (one.run, int(one.at_s * 2))):
        cluster = list(group)
        yield min(_ms(one) for one in cluster), cluster


def _track(number: int, kind: int, codec: bytes, more: bytes) -> bytes:
    fields = _el(0xD7, bytes([number])) + _el(0x73C5, bytes([number])) + _el(0x83, bytes([kind]))
    return _el(0xAE, fields + _el(0x9C, b"\0") + _el(0x86, codec) + more)


def _chapters(plan: Plan) -> bytes:
    atoms = b"".join(
        _el(
            0xB6,
            _el(0x73C4, number.to_bytes(4, "big"))
            + _el(0x91, round(start_s * 1e9).to_bytes(8, "big"))
            + _el(0x92, round(end_s * 1e9).to_bytes(8, "big"))
            + _el(0x80, _el(0x85, title.encode()) + _el(0x437C, b"und")),
        )
        for number, (start_s, end_s, title) in enumerate(plan.chapters, 1)
    )
    return _el(0x1043A770, _el(0x45B9, atoms)) if atoms else b""


def _el(kind: int, body: bytes) -> bytes:
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + (1 << 56 | len(body)).to_bytes(8, "big") + body


# -- FLV ----------------------------------------------------------------------------------------------


def flv(plan: Plan) -> bytes:
    """AAC and Sorenson's H.263."""
    has_video = plan.video_at_s is not None
    written = bytearray(b"FLV\x01" + (b"\x05" if has_video else b"\x04") + b"\0\0\0\x09\0\0\0\0")
    packets = plan.packets("aac", "flv")
    described = None
    for packet in packets:
        if packet.is_sound and described != (packet.rate_hz, packet.layout):
            described = (packet.rate_hz, packet.layout)
            written += _tag(8, _ms(packet), b"\xaf\0" + sound_packets("aac", *described).header)
        prefix = b"\xaf\x01" if packet.is_sound else b"\x12"
        written += _tag(8 if packet.is_sound else 9, _ms(packet), prefix + packet.data)
    return bytes(written)


def _tag(kind: int, at_ms: int, body: bytes) -> bytes:
    head = bytes([kind]) + len(body).to_bytes(3, "big") + (at_ms & 0xFFFFFF).to_bytes(3, "big")
    return head + bytes([at_ms >> 24, 0, 0, 0]) + body + struct.pack(">I", 11 + len(body))


# -- Ogg ----------------------------------------------------------------------------------------------


def ogg(plan: Plan, packets_per_page: int = 1) -> bytes:
    """Opus. Chapters are comments."""
    header = sound_packets("libopus").header
    comments = [b"CHAPTER%03d=%s" % (n, _clock(start)) for n, (start, _, _) in enumerate(plan.chapters, 1)]
    comments += [b"CHAPTER%03dNAME=%s" % (n, title.encode()) for n, (_, _, title) in enumerate(plan.chapters, 1)]
    tags = b"OpusTags" + struct.pack("<II", 0, len(comments))
    tags += b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
    preskip = int.from_bytes(header[10:12], "little")
    return _ogg(plan, "libopus", [header, tags], preskip, packets_per_page)


def ogg_vorbis(plan: Plan, packets_per_page: int = 20) -> bytes:
    """Vorbis without chapters."""
    header = sound_packets("libvorbis").header
    sizes, place = [], 1
    for _ in range(header[0]):
        sizes.append(0)
        while header[place] == 255:
            sizes[-1] += 255
            place += 1
        sizes[-1] += header[place]
        place += 1
    first, second = place + sizes[0], place + sizes[0] + sizes[1]
    return _ogg(plan, "libvorbis", [header[place:first], header[first:second], header[second:]], 0, packets_per_page)


def _ogg(plan: Plan, codec: str, headers: Sequence[bytes], preskip: int, packets_per_page: int) -> bytes:
    """Pages of packets without a gap; their granule position is the end of the last packet."""
    pages = [_page(0, 2, 0, headers[:1]), _page(1, 0, 0, headers[1:])]
    for _, group in groupby(plan.packets(codec, ""), lambda one: one.run):
        run = list(group)
        for start in range(0, len(run), packets_per_page):
            page = run[start : start + packets_per_page]
            end = round((page[-1].at_s + page[-1].duration_s) * RATE_HZ) + preskip
            pages.append(_page(len(pages), 0, end, [one.data for one in page]))
    return b"".join(pages)


def _clock(seconds: float) -> bytes:
    minutes, rest = divmod(seconds, 60)
    return b"%02d:%02d:%06.3f" % (minutes // 60, minutes % 60, rest)


@cache
def _ogg_table() -> tuple[int, ...]:
    return tuple(
        reduce(lambda value, _: (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF, range(8), byte << 24)
        for byte in range(256)
    )


def _page(number: int, flags: int, granule: int, packets: Sequence[bytes], serial: int = 1) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = b"OggS\0" + struct.pack("<BqII", flags, granule, serial, number)
    rest = bytes([len(lacing)]) + lacing + b"".join(packets)
    table, checksum = _ogg_table(), 0
    for byte in head + bytes(4) + rest:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ table[checksum >> 24 ^ byte]
    return head + struct.pack("<I", checksum) + rest


# -- MP4 ----------------------------------------------------------------------------------------------


def mp4(plan: Plan) -> bytes:
    """AAC and MPEG-4 video: a gap in the sound is a long sample in the table; a late start is an edit."""
    return _by_ffmpeg(plan, "faststart")


def mp4_edits(plan: Plan) -> bytes:
    """The sound as one piece of media, and all of its times in the edit list."""
    end_s = 0.0
    media: list[Run] = []
    edits: list[tuple[float, float]] = []
    for run in plan.runs:
        media.append(Run(run.first, run.count, sum(one.count for one in media)))
        if run.at_s > end_s:
            edits.append((run.at_s - end_s, -1.0))
        edits.append((float(run.count), media[-1].at_s))
        end_s = run.end_s
    content = _by_ffmpeg(Plan(tuple(media), plan.video_at_s, plan.video_s, plan.chapters), "")
    return _with_edits(content, edits)


def mp4_descriptions(plan: Plan) -> bytes:
    """Sound only, with a sample description for each run, whose rates and channels may differ."""
    parts = [_by_ffmpeg(Plan((Run(run.first, run.count, 0.0, run.rate_hz, run.layout),)), "") for run in plan.runs]
    descriptions = [_inner(_inner(part[part.rindex(b"moov") - 4 :], b"stbl"), b"stsd")[16:] for part in parts]
    whole = _by_ffmpeg(plan, "")
    start = whole.rindex(b"moov") - 4
    sizes = [len(packet.data) for packet in plan.packets("aac", "")]
    first = whole.index(b"mdat") + 4
    offsets = [first + sum(sizes[:number]) for number in range(len(sizes))]
    runs = [packet.run for packet in plan.packets("aac", "")]
    changes = [number for number in range(len(runs)) if number == 0 or runs[number] != runs[number - 1]]
    new = {
        b"stsd": struct.pack(">II", 0, len(descriptions)) + b"".join(descriptions),
        b"stsc": struct.pack(">II", 0, len(changes))
        + b"".join(struct.pack(">III", number + 1, 1, runs[number] + 1) for number in changes),
        b"stco": struct.pack(">II", 0, len(offsets)) + struct.pack(f">{len(offsets)}I", *offsets),
    }
    return whole[:start] + _rewritten(whole[start:], new)


def _inner(content: bytes, kind: bytes) -> bytes:
    """Returns a box, wherever it is in others."""
    start = content.index(kind) - 4
    return next(_boxes(content[start:]))


def _rewritten(box: bytes, new: dict[bytes, bytes]) -> bytes:
    """Returns the box with the content of some boxes in it replaced."""
    kind = box[4:8]
    if kind in new:
        return _box(kind, new[kind])
    if kind not in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        return box
    return _box(kind, b"".join(_rewritten(inner, new) for inner in _boxes(box[8:])))


def mp4_fragments(plan: Plan) -> bytes:
    """Fragments of one packet each, whose times may be anything."""
    packets = [one for one in plan.packets("aac", "mpeg4") if one.is_sound]
    media: list[Run] = []
    at = 0
    for run in plan.runs:
        media.append(Run(run.first, run.count, at))
        at += run.count
    content = bytearray(_by_ffmpeg(Plan(tuple(media)), "frag_every_frame+empty_moov+default_base_moof+skip_trailer"))
    place = 0
    for packet in packets:
        place = content.index(b"tfdt", place) + 4
        wide = content[place]
        value = round(packet.at_s * RATE_HZ)
        struct.pack_into(">Q" if wide else ">I", content, place + 4, value)
    return bytes(content)


def _by_ffmpeg(plan: Plan, flags: str) -> bytes:
    with (
        tempfile.NamedTemporaryFile(suffix=".mp4") as made,
        av.open(made.name, "w", container_options={"movflags": flags} if flags else {}) as file,
    ):
        if plan.chapters:
            file.set_chapters([_chapter(number, *chapter) for number, chapter in enumerate(plan.chapters)])
        if plan.video_at_s is not None:
            video = file.add_stream("mpeg4", rate=25)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        audio = file.add_stream("aac", rate=plan.runs[0].rate_hz, layout=plan.runs[0].layout)
        assert isinstance(audio, av.AudioStream)
        audio.bit_rate = 64_000
        file.start_encoding()
        for timed in plan.packets("aac", "mpeg4"):
            packet = Packet(timed.data)
            packet.stream = audio if timed.is_sound else video
            packet.time_base = Fraction(1, RATE_HZ)
            packet.pts = packet.dts = round(timed.at_s * RATE_HZ)
            packet.duration = round(timed.duration_s * RATE_HZ)
            packet.is_keyframe = True
            file.mux(packet)
        file.close()
        return Path(made.name).read_bytes()


def _chapter(number: int, start_s: float, end_s: float, title: str) -> Any:
    start, end = round(start_s * 1000), round(end_s * 1000)
    return {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}


def _with_edits(content: bytes, edits: Sequence[tuple[float, float]]) -> bytes:
    """Replaces the edit list of the sound's track; `moov` must be the last box, with times in milliseconds."""
    start = content.rindex(b"moov") - 4
    head, moov = content[:start], content[start:]
    table = b"".join(
        struct.pack(">IiHH", round(length_s * 1000), round(at_s * RATE_HZ) if at_s >= 0 else -1, 1, 0)
        for length_s, at_s in edits
    )
    new = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(edits)) + table))
    return head + _box(b"moov", b"".join(_edited(box, new) for box in _boxes(moov[8:])))


def _edited(box: bytes, new: bytes) -> bytes:
    if box[4:8] != b"trak" or b"soun" not in box:
        return box
    children = list(_boxes(box[8:]))
    others = [child for child in children if child[4:8] != b"edts"]
    return _box(b"trak", b"".join([others[0], new, *others[1:]]))


def _boxes(content: bytes) -> Iterator[bytes]:
    while content:
        size = int.from_bytes(content[:4], "big")
        yield content[:size]
        content = content[size:]


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


Write = Callable[[Plan], bytes]
WRITERS: dict[str, Write] = {
    "mp4": mp4,
    "edits.mp4": mp4_edits,
    "fragments.mp4": mp4_fragments,
    "mkv": matroska,
    "webm": webm,
    "ts": mpegts,
    "flv": flv,
    "ogg": ogg,
    "pages.ogg": partial(ogg, packets_per_page=50),
    "vorbis.ogg": ogg_vorbis,
}
