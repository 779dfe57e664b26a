"""Files at URLs as sources of conversions."""

from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import Field, WithJsonSchema

from video2mp3.api.frame.schemas import RequestBody
from video2mp3.api.frame.services import Services
from video2mp3.errors import UrlSourcesDisabled
from video2mp3.jobs.sources import RemoteSource
from video2mp3.uploads import clean_name


class UrlSource(RequestBody):
    """A file at a URL."""

    url: str = Field(description="http or https, for example a signed URL. The file is fetched before it is converted.")
    name: str | None = Field(None, max_length=255, description="The file's name; else the last part of the URL's path.")


# Written out: a reference to another schema would lead nowhere in the description of a body.
Source = Annotated[UrlSource, WithJsonSchema(UrlSource.model_json_schema())]
"""The type of a field with a file at a URL."""


def remote_source(services: Services, source: UrlSource) -> RemoteSource:
    """Returns the file as a job's source.

    Raises:
        UrlSourcesDisabled: when the operator has switched it off.
        UrlRejected: when the URL is never allowed.
    """
    if not services.settings.url_sources:
        raise UrlSourcesDisabled
    validate_url(services, source.url)
    return RemoteSource(source.url, clean_name(source.name or unquote(PurePosixPath(urlsplit(source.url).path).name)))


def validate_url(services: Services, url: str | None) -> str | None:
    """Returns a URL, or None; raises UrlRejected if it leads to a private network without a DNS look-up."""
    if url is not None:
        services.guard.check(url)
    return url
