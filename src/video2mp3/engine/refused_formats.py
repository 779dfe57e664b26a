"""The kinds of files that people hand over although they are not converted: their names, and what to do.

Sources of the signatures: the formats' specifications, and the file(1) and PRONOM registries.
"""

from dataclasses import dataclass

SIGNATURE_BYTES = 1084
"""All signatures are within the first bytes of a file."""

_EXTRACT = "Extract the audio or video file from it first."
_PICTURE = "It has no sound."
_EXPORT = "Export the sound with the program that made it."
_RENDER = "It holds notes, not sound: render it to WAV with a synthesizer first."
_DOWNLOAD = "It only names other files: download the audio or video itself."
_PROTECTED = "It is protected (DRM): convert a copy without copy protection."


@dataclass(frozen=True)
class RefusedFormat:
    """A kind of file that is not converted."""

    what: str
    """With its article, for "This is …, which is not converted."."""
    advice: str
    signatures: tuple[tuple[int, bytes], ...] = ()
    """Offsets and bytes, one of which identifies the format."""
    demuxers: tuple[str, ...] = ()
    """FFmpeg's names for the format, if FFmpeg recognizes it by its content."""
    protected: bool = False
    """True if only copy protection prevents the conversion."""


def _at_start(*signatures: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple((0, signature) for signature in signatures)


def _ftyp(*brands: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple((4, b"ftyp" + brand) for brand in brands)


REFUSED = (
    RefusedFormat(
        "an SWF file", "Find the video or audio file that it plays.", _at_start(b"FWS", b"CWS", b"ZWS"), ("swf",)
    ),
    RefusedFormat("a MIDI file", _RENDER, ((0, b"MThd"), (8, b"RMIDdata"))),
    RefusedFormat(
        "a tracker module",
        _RENDER,
        ((0, b"Extended Module: "), (0, b"IMPM"), (44, b"SCRM"), (1080, b"M.K."), (1080, b"M!K!"), (1080, b"8CHN")),
    ),
    RefusedFormat("a chip tune", _RENDER, _at_start(b"PSID", b"RSID", b"Vgm ", b"NESM\x1a", b"SNES-SPC700")),
    RefusedFormat("a sound font", _EXPORT, ((8, b"sfbkLIST"),)),
    RefusedFormat("an HLS or M3U playlist", _DOWNLOAD, _at_start(b"#EXTM3U", b"\xef\xbb\xbf#EXTM3U"), ("hls",)),
    RefusedFormat("a DASH manifest", _DOWNLOAD, (), ("dash",)),
    RefusedFormat("a playlist", _DOWNLOAD, _at_start(b"[playlist]", b"[Playlist]", b".RMF\r\nrtsp", b"rtsp://")),
    RefusedFormat("a description of a stream (SDP)", _DOWNLOAD, _at_start(b"v=0\n", b"v=0\r\n"), ("sdp",)),
    RefusedFormat("a shortcut", _DOWNLOAD, _at_start(b"L\0\0\0\x01\x14\x02\0", b"[InternetShortcut]")),
    RefusedFormat("a BitTorrent file", _DOWNLOAD, _at_start(b"d8:announce", b"d10:created by", b"d13:announce-list")),
    RefusedFormat("a ZIP archive", _EXTRACT, _at_start(b"PK\x03\x04", b"PK\x05\x06")),
    RefusedFormat("a RAR archive", _EXTRACT, _at_start(b"Rar!\x1a\x07")),
    RefusedFormat("a 7z archive", _EXTRACT, _at_start(b"7z\xbc\xaf\x27\x1c")),
    RefusedFormat("a compressed file", _EXTRACT, _at_start(b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5/\xfd")),
    RefusedFormat("a TAR archive", _EXTRACT, ((257, b"ustar"),)),
    RefusedFormat("a JPEG picture", _PICTURE, _at_start(b"\xff\xd8\xff"), ("jpeg_pipe", "mjpeg")),
    RefusedFormat("a PNG picture", _PICTURE, _at_start(b"\x89PNG\r\n\x1a\n"), ("png_pipe", "apng")),
    RefusedFormat("a GIF picture", _PICTURE, _at_start(b"GIF87a", b"GIF89a"), ("gif", "gif_pipe")),
    RefusedFormat("a WebP picture", _PICTURE, ((8, b"WEBP"),), ("webp_pipe",)),
    RefusedFormat(
        "a HEIF or AVIF picture", _PICTURE, _ftyp(b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
    ),
    RefusedFormat("a TIFF or raw picture", _PICTURE, _at_start(b"II*\0", b"MM\0*"), ("tiff_pipe",)),
    RefusedFormat("a Photoshop picture", _PICTURE, _at_start(b"8BPS"), ("psd_pipe",)),
    RefusedFormat("a JPEG XL picture", _PICTURE, ((0, b"\0\0\0\x0cJXL "),), ("jpegxl_pipe", "jpegxl_anim")),
    RefusedFormat("a picture", _PICTURE, (), ("bmp_pipe", "svg_pipe", "j2k_pipe", "jpegls_pipe", "dpx_pipe")),
    RefusedFormat("a PDF document", _PICTURE, _at_start(b"%PDF-")),
    RefusedFormat("an old Microsoft Office document", _PICTURE, _at_start(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
    RefusedFormat("a program", _PICTURE, _at_start(b"MZ\x90\0", b"\x7fELF")),
    RefusedFormat("a web page", "Download the video itself instead of the page that shows it."),
    RefusedFormat(
        "a subtitle or lyrics file",
        "It has no sound: choose the video that it belongs to.",
        _at_start(b"WEBVTT", b"\xef\xbb\xbfWEBVTT", b"[Script Info]", b"\xef\xbb\xbf[Script Info]"),
        ("srt", "ass", "webvtt", "microdvd", "sami", "subviewer", "subviewer1", "mpl2", "vplayer", "lrc", "stl"),
    ),
    RefusedFormat("a text file", "Check that it is the right file."),
    RefusedFormat("an Audacity project", _EXPORT, ((68, b"AUDY"),)),
    RefusedFormat("a Premiere Pro project", _EXPORT),
    RefusedFormat("an Ableton Live set", _EXPORT),
    RefusedFormat("an FL Studio project", _EXPORT, _at_start(b"FLhd")),
    RefusedFormat("a Reaper project", _EXPORT, _at_start(b"<REAPER_PROJECT")),
    RefusedFormat("a video project", _EXPORT),
    RefusedFormat("a database", _EXPORT, _at_start(b"SQLite format 3\0")),
    RefusedFormat("a disc image", "Copy the video files out of it; on a DVD they are called VTS_01_1.VOB and so on."),
    RefusedFormat(
        "the index of a DVD or Blu-ray disc",
        "The video is in the VOB or M2TS files beside it.",
        _at_start(b"DVDVIDEO-VMG", b"DVDVIDEO-VTS", b"MPLS0", b"HDMV0", b"INDX0", b"MOBJ0"),
    ),
    RefusedFormat(
        "a file with macOS attributes (AppleDouble)",
        "The video is the file with the same name without “._” in front.",
        _at_start(b"\0\x05\x16\x07"),
    ),
    RefusedFormat(
        "an Audible audio book",
        _PROTECTED,
        (*_ftyp(b"aax ", b"aaxc"), (4, b"\x57\x90\x75\x36")),
        ("aa", "aax"),
        protected=True,
    ),
    RefusedFormat("a protected iTunes file", _PROTECTED, _ftyp(b"M4P ", b"M4VP"), protected=True),
    RefusedFormat("an OptimFROG file", _EXPORT, _at_start(b"OFR ")),
    RefusedFormat("an LA (Lossless Audio) file", _EXPORT, _at_start(b"LA02", b"LA03", b"LA04")),
    RefusedFormat("an old Musepack file (SV4 to SV6)", _EXPORT),
    RefusedFormat("a dictation (DSS, DS2)", _EXPORT, _at_start(b"\x02dss", b"\x03dss", b"\x03ds2", b"\x06ds2")),
    RefusedFormat("an AAC file with an ADIF header", _EXPORT, _at_start(b"ADIF")),
    RefusedFormat("an AC-4 file", "There is no free decoder.", (), ("ac4",)),
    RefusedFormat(
        "raw video without sound",
        "It has no sound: choose the file with the audio.",
        (),
        ("h264", "hevc", "vvc", "m4v", "mpegvideo", "av1", "obu", "ivf", "dnxhd", "dirac", "yuv4mpegpipe", "vc1"),
    ),
)  # fmt: skip
"""The most specific first."""
