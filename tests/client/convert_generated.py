"""Converts a file with the client that openapi-python-client has generated: SERVER KEY VIDEO MP3."""

import sys
import time
from pathlib import Path

from video2mp3_api import AuthenticatedClient  # type: ignore[import-not-found]  # the test generates it
from video2mp3_api.api.conversions import (  # type: ignore[import-not-found]
    create_conversion,
    download_mp_3,
    read_conversion,
)
from video2mp3_api.api.uploads import create_upload  # type: ignore[import-not-found]
from video2mp3_api.models import ConversionOptions, ConversionRequest  # type: ignore[import-not-found]
from video2mp3_api.types import File  # type: ignore[import-not-found]

server, key, video, mp3 = sys.argv[1:]
with AuthenticatedClient(server, key) as client, Path(video).open("rb") as file:
    upload = create_upload.sync(client=client, body=File(file), name=video)
    request = ConversionRequest(upload_id=upload.id, options=ConversionOptions(bitrate_kbps=128))
    conversion = create_conversion.sync(client=client, body=request)
    while conversion.state in ("waiting", "queued", "processing"):
        time.sleep(0.1)
        conversion = read_conversion.sync(conversion.id, client=client)
    Path(mp3).write_bytes(download_mp_3.sync(conversion.id, client=client).payload.read())
