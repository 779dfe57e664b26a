"""The demuxers and decoders that may run. Used in the child."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "avi", "flv", "ogg", "asf",
    "wav", "w64", "aiff", "caf", "flac", "mp3", "aac", "ac3", "eac3", "ac4", "dts", "truehd", "amr", "iamf",
)  # fmt: skip
"""Demuxers that may open a file. Never one that opens other files: hls, concat, dash, sdp, image2."""

DECODERS = frozenset((
    "aac", "aac_latm", "ac3", "eac3", "dca", "truehd", "mlp", "mp1", "mp1float", "mp2", "mp2float", "mp3",
    "mp3float", "alac", "flac", "opus", "vorbis", "speex", "amrnb", "amrwb", "wmav1", "wmav2", "wmapro",
    "wmalossless", "wmavoice", "wavpack", "tta", "gsm", "gsm_ms", "nellymoser", "qdm2", "qdmc", "mace3",
    "mace6", "s302m", "atrac3", "atrac3plus", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf",
    "adpcm_yamaha", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_f16le", "pcm_f24le", "pcm_f32be",
    "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_s16be", "pcm_s16be_planar", "pcm_s16le", "pcm_s16le_planar",
    "pcm_s24be", "pcm_s24le", "pcm_s24le_planar", "pcm_s32be", "pcm_s32le", "pcm_s32le_planar", "pcm_s64be",
    "pcm_s64le", "pcm_s8", "pcm_s8_planar", "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be",
    "pcm_u32le", "pcm_u8", "g722", "g723_1", "g726", "g726le", "ilbc", "truespeech",
))  # fmt: skip
"""Decoders that may run."""

MAX_STREAMS = 100
