"""What links lead to (see `accounts/links.py`): a page that plays a result, and the result, without an account."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, TypedDict

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.accounts import links, users
from video2mp3.api.conversions.downloads import (
    RANGE_RESPONSES,
    Segment,
    redirect_origin,
    result_of,
    segment_of,
    serve_result,
)
from video2mp3.api.conversions.links import base_url
from video2mp3.api.conversions.waveforms import WaveformJSON, waveform_response
from video2mp3.api.fairness.transfers import in_transfer_thread, run_transfer
from video2mp3.api.frame import pages
from video2mp3.api.frame.range_response import Download, serve
from video2mp3.api.frame.schemas import moment
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job
from video2mp3.engine.mp3.id3_reader import FoundTag, read_tag
from video2mp3.engine.report import MAX_CHAPTERS
from video2mp3.errors import Expired, LinkExpired, LinkStopped, NotFound
from video2mp3.jobs.results import segments_of

router = APIRouter(tags=["conversions"])

# The address is a secret: neither search engines nor other sites get it.
_SECRET = {"X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}
_CHAPTER_TITLES = 100_000
"""Characters of all titles together on a page: each visitor's request writes them."""
# Pages of other sites may show it, too.
_EMBEDDABLE = {**_SECRET, "Cross-Origin-Resource-Policy": "cross-origin"}
_IMAGE_KINDS = ("image/jpeg", "image/png")
_IMAGE_CONTENT = {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _IMAGE_KINDS}}
_IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _IMAGE_CONTENT,
    206: {**RANGE_RESPONSES[206], **_IMAGE_CONTENT},
    304: RANGE_RESPONSES[304],
}


class SharedChapter(TypedDict):
    """A chapter of the MP3."""

    start_s: float
    title: str | None


class SharedSegment(TypedDict):
    """One MP3 of several."""

    number: int
    name: str
    title: str | None
    duration_s: float


class Shared(TypedDict):
    """What the page of a link shows; it gets nothing else of the owner's. The same as in web/src/share/facts.ts."""

    token: str
    name: str
    title: str | None
    artist: str | None
    album: str | None
    has_cover: bool
    duration_s: float | None
    size_bytes: int
    expires_at: str
    chapters: list[SharedChapter]
    segments: list[SharedSegment]


@router.get("/share/{token}", include_in_schema=False)
@in_transfer_thread
def read_share_page(request: Request, token: str, services: CurrentServices) -> Response:
    """A page that plays the result of a link."""
    with services.database.read() as session:
        job, expires_s = _shared_job(session, token)
    result = result_of(job, services)
    tag = _tag_of(_tagged_mp3(job, services))
    title = tag.texts.get("TIT2") or result.name
    address = base_url(request, services)
    page = pages.built_page(
        "share.html",
        {
            "./page/": "../page/",
            "{share}": escape(json.dumps(_facts(job, token, expires_s, result, tag), ensure_ascii=False)),
            "{title}": escape(title),
            "{preview}": _preview(address, token, title, tag),
            "{mp3}": f"..{links.mp3_path(token)}",
        },
        redirect_origin(services),
    )
    page.headers.update(_SECRET)
    return page


@router.get("/v1/shared/{token}/mp3", response_class=Response, responses=RANGE_RESPONSES)
@in_transfer_thread
def download_shared_mp3(request: Request, token: str, services: CurrentServices, segment: Segment = None) -> Response:
    """Returns the result of a link, as /v1/conversions/{id}/mp3 does, without an account."""
    with services.database.read() as session:
        job, _ = _shared_job(session, token)
    response = serve_result(request, services, job, segment)
    response.headers.update(_EMBEDDABLE)
    return response


@router.get("/v1/shared/{token}/waveform", response_model=WaveformJSON)
async def read_shared_waveform(
    request: Request, token: str, services: CurrentServices, segment: Segment = None
) -> Response:
    """Returns the waveform of a link's MP3 as numbers."""

    def find() -> Job:
        with services.database.read() as session:
            return _shared_job(session, token)[0]

    job = await run_transfer(find)
    # The visitors of an owner's links wait for each other, and do not hold up the owner.
    response = await waveform_response(request, services, job, segment, f"visitors of {job.user_id}")
    response.headers.update(_SECRET)
    return response


@router.get("/v1/shared/{token}/cover", response_class=Response, responses=_IMAGE_RESPONSES)
@in_transfer_thread
def read_shared_cover(request: Request, token: str, services: CurrentServices) -> Response:
    """Returns the cover of a link's MP3."""
    with services.database.read() as session:
        job, _ = _shared_job(session, token)
    mp3 = _tagged_mp3(job, services)
    cover = _tag_of(mp3).cover
    if cover is None:
        raise NotFound("The MP3 has no cover.")

    def stream(start: int, end: int) -> Iterator[bytes]:
        return mp3.stream(cover.start + start, cover.start + end)

    picture = Download(mp3.name, cover.media_type, cover.end - cover.start, mp3.etag, stream)
    headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"}
    return serve(request, picture, {**headers, **_EMBEDDABLE})


def _shared_job(session: Session, token: str) -> tuple[Job, int]:
    """Returns the job of a link, and when the link expires, in seconds since 1970.

    Raises:
        NotFound: when the service has not issued the link, or the conversion or its owner was deleted.
        LinkExpired: when the link has expired.
        LinkStopped: when the owner has stopped it.
        Expired: when the MP3 was deleted.
    """
    link = links.read_result_token(session, token)
    job = session.get(Job, link.job_id) if link else None
    if link is None or job is None or users.find(session, job.user_id) is None:
        raise NotFound("There is nothing at this link. It may be incomplete, or its owner has deleted the MP3.")
    if link.serial != job.link_serial:
        raise LinkStopped
    if link.expires_s <= session.scalars(select(now())).one() // SECOND:
        raise LinkExpired
    if job.state == "finished" and job.result_key is None:
        raise Expired("The MP3 of this link has expired and was deleted.")
    return job, link.expires_s


def _tagged_mp3(job: Job, services: Services) -> Download:
    """Returns the MP3, or the first one of several."""
    return segment_of(job, 1, services) if segments_of(job) else result_of(job, services)


def _tag_of(mp3: Download) -> FoundTag:
    return read_tag(lambda start, end: b"".join(mp3.stream(start, end)), mp3.size_bytes, MAX_CHAPTERS)


def _facts(job: Job, token: str, expires_s: int, result: Download, tag: FoundTag) -> Shared:
    segments = segments_of(job)
    longest_title = _CHAPTER_TITLES // max(len(tag.chapters), 1)
    return {
        "token": token,
        "name": result.name,
        "title": None if segments else tag.texts.get("TIT2"),
        "artist": tag.texts.get("TPE1"),
        "album": tag.texts.get("TALB"),
        "has_cover": tag.cover is not None,
        "duration_s": job.result_duration_s,
        "size_bytes": result.size_bytes,
        "expires_at": moment(min(expires_s * SECOND, job.expires_at or expires_s * SECOND)).isoformat(),
        "chapters": [
            {"start_s": chapter.start_s, "title": chapter.title and chapter.title[:longest_title]}
            for chapter in tag.chapters
        ],
        "segments": [
            {"number": segment.number, "name": segment.name, "title": segment.title, "duration_s": segment.duration_s}
            for segment in segments
        ],
    }


def _preview(address: str, token: str, title: str, tag: FoundTag) -> str:
    """Returns what messengers show of the link (ogp.me), as HTML."""
    picture = f"/v1/shared/{token}/cover" if tag.cover else "/page/icon-512.png"
    properties = {
        "og:type": "music.song",
        "og:site_name": "video2mp3",
        "og:title": title,
        "og:description": " · ".join(filter(None, (tag.texts.get("TPE1"), tag.texts.get("TALB")))) or "MP3",
        "og:url": address + links.page_path(token),
        "og:image": address + picture,
        "og:audio": address + links.mp3_path(token),
        "og:audio:type": "audio/mpeg",
    }
    return "".join(f'<meta property="{name}" content="{escape(value)}">' for name, value in properties.items())
