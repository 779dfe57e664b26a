"""The Python client: resumable uploads, conversions and downloads. It imports no other part of video2mp3.

```python
with Client("https://video2mp3.example.com") as client:
    client.sign_in("ada", "correct horse battery")
    conversion = client.convert(client.upload("talk.mp4"), options={"bitrate_kbps": 128})
    client.download(client.wait(conversion.id), "talk.mp3")
```
"""

try:
    import httpx as _httpx  # noqa: F401
except ModuleNotFoundError:
    sentence = "The client needs the extra [client]. Install it with: pip install 'video2mp3-service[client]'"
    raise ModuleNotFoundError(sentence, name="httpx") from None

from video2mp3.client.client import Client
from video2mp3.client.conversion import Conversion
from video2mp3.client.errors import ClientError

__all__ = ["Client", "ClientError", "Conversion"]
