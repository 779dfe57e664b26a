"""The containers and codecs that are converted: what the child may run, what commands and docs list.

A demuxer is listed only if it reads nothing but its own file (never hls, concat, dash, sdp or image2), recognizes its
files by their content, and was fuzzed (docs/robustness.md).
"""

from dataclasses import dataclass

MAX_STREAMS = 100


@dataclass(frozen=True)
class Container:
    """A kind of file."""

    name: str
    """For people."""
    demuxer: str
    """FFmpeg's name, as its whitelist compares it."""
    suffixes: tuple[str, ...]
    """Usual extensions, the commonest first."""


@dataclass(frozen=True)
class Codec:
    """A kind of audio inside a container."""

    name: str
    """For people."""
    decoders: tuple[str, ...]
    """FFmpeg's names."""


CONTAINERS = (
    Container(
        "MP4, MOV, 3GP",
        "mov,mp4,m4a,3gp,3g2,mj2",
        (".mp4", ".m4v", ".m4a", ".m4b", ".m4r", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".f4v", ".f4a", ".ismv"),
    ),
    Container("Matroska, WebM", "matroska,webm", (".mkv", ".webm", ".mka", ".mk3d", ".weba")),
    Container("MPEG transport stream", "mpegts", (".ts", ".m2ts", ".mts", ".m2t", ".tp", ".trp")),
    Container("MPEG program stream, DVD", "mpeg", (".mpg", ".mpeg", ".mpe", ".vob", ".m2p", ".evo", ".vro")),
    Container("AVI", "avi", (".avi", ".divx", ".amv")),
    Container("Flash Video", "flv", (".flv",)),
    Container("Ogg", "ogg", (".ogg", ".oga", ".ogv", ".ogm", ".ogx", ".opus", ".spx")),
    Container("Windows Media (ASF)", "asf", (".wmv", ".wma", ".asf", ".dvr-ms")),
    Container("RealMedia", "rm", (".rm", ".rmvb", ".ra")),
    Container("Material Exchange Format", "mxf", (".mxf",)),
    Container("General Exchange Format", "gxf", (".gxf",)),
    Container("DV", "dv", (".dv", ".dif")),
    Container("Windows Recorded TV", "wtv", (".wtv",)),
    Container("NUT", "nut", (".nut",)),
    Container("WAV, RF64, BWF", "wav", (".wav", ".wave", ".bwf", ".rf64")),
    Container("Wave64", "w64", (".w64",)),
    Container("xWMA", "xwma", (".xwma",)),
    Container("AIFF, AIFF-C", "aiff", (".aiff", ".aif", ".aifc")),
    Container("Core Audio Format", "caf", (".caf",)),
    Container("AU", "au", (".au", ".snd")),
    Container("Creative Voice", "voc", (".voc",)),
    Container("NIST Sphere", "nistsphere", (".sph", ".nist")),
    Container("IRCAM", "ircam", (".ircam", ".sf")),
    Container("SoX", "sox", (".sox",)),
    Container("Sony OpenMG", "oma", (".oma", ".omg", ".aa3")),
    Container("FLAC", "flac", (".flac",)),
    Container("WavPack", "wv", (".wv",)),
    Container("Monkey's Audio", "ape", (".ape",)),
    Container("TTA", "tta", (".tta",)),
    Container("TAK", "tak", (".tak",)),
    Container("Shorten", "shn", (".shn",)),
    Container("Musepack SV7", "mpc", (".mpc", ".mp+")),
    Container("Musepack SV8", "mpc8", (".mpc",)),
    Container("DSD Stream File", "dsf", (".dsf",)),
    Container("DSDIFF, IFF 8SVX", "iff", (".dff", ".8svx")),
    Container("MP1, MP2, MP3", "mp3", (".mp3", ".mp2", ".mp1", ".mpa", ".m2a")),
    Container("AAC (ADTS)", "aac", (".aac", ".adts")),
    Container("AAC (LATM)", "loas", (".latm", ".loas")),
    Container("AC-3", "ac3", (".ac3",)),
    Container("E-AC-3", "eac3", (".eac3", ".ec3")),
    Container("DTS", "dts", (".dts",)),
    Container("DTS-HD", "dtshd", (".dtshd",)),
    Container("TrueHD", "truehd", (".thd", ".truehd")),
    Container("MLP", "mlp", (".mlp",)),
    Container("S/PDIF", "spdif", (".spdif",)),
    Container("AMR", "amr", (".amr", ".awb")),
    Container("iLBC", "ilbc", (".lbc",)),
    Container("QCP", "qcp", (".qcp",)),
    Container("SMAF", "mmf", (".mmf",)),
    Container("Immersive Audio (IAMF)", "iamf", (".iamf",)),
)
"""The containers that are read."""


def container_name(demuxer: str) -> str:
    """Returns the name for people of what FFmpeg calls so, such as Matroska/WebM."""
    names = [container.name for container in CONTAINERS if container.demuxer == demuxer]
    return names[0].replace(", ", "/") if names else demuxer


CODECS = (
    Codec("AAC", ("aac", "aac_latm")),
    Codec("MP1, MP2, MP3", ("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float")),
    Codec("MP3 in MP4 and RTP (ADU, on4)", ("mp3adu", "mp3adufloat", "mp3on4", "mp3on4float")),
    Codec("Opus", ("opus",)),
    Codec("Vorbis", ("vorbis",)),
    Codec("Speex", ("speex",)),
    Codec("FLAC", ("flac",)),
    Codec("ALAC", ("alac",)),
    Codec("MPEG-4 ALS", ("als",)),
    Codec("AC-3, E-AC-3", ("ac3", "eac3")),
    Codec("DTS, DTS-HD", ("dca",)),
    Codec("TrueHD, MLP", ("truehd", "mlp")),
    Codec("Windows Media Audio", ("wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice")),
    Codec("RealAudio", ("cook", "sipr", "real_144", "real_288", "ralf")),
    Codec("ATRAC", ("atrac1", "atrac3", "atrac3al", "atrac3plus", "atrac3plusal")),
    Codec("WavPack", ("wavpack",)),
    Codec("Monkey's Audio", ("ape",)),
    Codec("TTA", ("tta",)),
    Codec("TAK", ("tak",)),
    Codec("Shorten", ("shorten",)),
    Codec("Musepack", ("mpc7", "mpc8")),
    Codec("DSD, DST", ("dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf", "dsd_msbf_planar", "dst")),
    Codec("AMR", ("amrnb", "amrwb")),
    Codec("GSM", ("gsm", "gsm_ms")),
    Codec("G.711", ("pcm_alaw", "pcm_mulaw")),
    Codec("G.722, G.723.1, G.726, G.729", ("g722", "g723_1", "g726", "g726le", "g729")),
    Codec("iLBC", ("ilbc",)),
    Codec("QCELP, EVRC", ("qcelp", "evrc")),
    Codec("TrueSpeech, MetaSound", ("truespeech", "metasound")),
    Codec("Intel Music Coder, Indeo Audio", ("imc", "iac")),
    Codec("Nellymoser, ADPCM of Flash", ("nellymoser", "adpcm_swf")),
    Codec("QDesign Music", ("qdm2", "qdmc")),
    Codec("MACE", ("mace3", "mace6")),
    Codec("SMPTE 302M", ("s302m",)),
    Codec(
        "ADPCM",
        (
            "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "adpcm_ct", "adpcm_ima_amv", "adpcm_ima_dk3",
            "adpcm_ima_dk4", "adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4",
        ),
    ),
    Codec("8SVX", ("8svx_exp", "8svx_fib")),
    Codec(
        "PCM",
        (
            "pcm_bluray", "pcm_dvd", "pcm_f16le", "pcm_f24le", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le",
            "pcm_s16be", "pcm_s16be_planar", "pcm_s16le", "pcm_s16le_planar", "pcm_s24be", "pcm_s24daud", "pcm_s24le",
            "pcm_s24le_planar", "pcm_s32be", "pcm_s32le", "pcm_s32le_planar", "pcm_s64be", "pcm_s64le", "pcm_s8",
            "pcm_s8_planar", "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be", "pcm_u32le", "pcm_u8",
        ),
    ),
)  # fmt: skip
"""The codecs that are decoded."""

FORMATS = tuple(container.demuxer for container in CONTAINERS)
"""Demuxers that may open a file."""

DECODERS = frozenset(decoder for codec in CODECS for decoder in codec.decoders)
"""Decoders that may run."""

SUFFIXES = frozenset(suffix for container in CONTAINERS for suffix in container.suffixes)
"""Extensions of files that are converted."""
