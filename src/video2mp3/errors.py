"""Every error that users can get: its stable code, HTTP status and default sentence.

The class docstring is the default sentence. It says what failed and what to do about it. The four
families below say what a job does after such an error; `retryable` says whether the same request can
succeed later without being changed. `BLOCKED_REASONS` says the same of conversions that cannot start yet.
"""

from collections.abc import Mapping
from typing import Literal


class Video2mp3Error(Exception):
    """An internal error occurred; the service's log has the details."""

    code = "internal_error"
    status = 500
    retryable = False
    retry_after_s = 5
    """`Retry-After` of the statuses 429, 503 and 507, in seconds."""

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(self.detail)


# -- Requests: the caller can mend them ---------------------------------------------------------------


class InvalidRequest(Video2mp3Error):
    """The request is not valid; see `errors` for the fields."""

    code = "invalid_request"
    status = 422


class InvalidOption(Video2mp3Error):
    """A conversion option has a value that is not allowed."""

    code = "invalid_option"
    status = 422


class MissingFile(Video2mp3Error):
    """The request has no file: send the video as the body, or as the form field `file`."""

    code = "missing_file"
    status = 400


class EmptyFile(MissingFile):
    """The file is empty (0 bytes); check that it was copied whole."""

    code = "empty_file"


class Unauthenticated(Video2mp3Error):
    """Sign in first: send `Authorization: Bearer <token>` with a token from POST /v1/sessions."""

    code = "unauthenticated"
    status = 401


class InvalidCredentials(Video2mp3Error):
    """Invalid credentials"""

    code = "invalid_credentials"
    status = 401


class Forbidden(Video2mp3Error):
    """This account is not allowed to do that."""

    code = "forbidden"
    status = 403


class InsufficientScope(Forbidden):
    """This API key lacks the required scope; create one that has it, or sign in with a password."""

    code = "insufficient_scope"

    def __init__(self, scope: str = "") -> None:
        """Takes the required scope; empty: no API key is allowed."""
        super().__init__()
        self.scope = scope


class InvitationNeeded(Forbidden):
    """Registration requires a valid invitation, and this one is unknown, used or expired; ask for one."""

    code = "invitation_needed"


class WrongPassword(Forbidden):
    """The password is wrong."""

    code = "wrong_password"


class InvalidOrExpiredToken(Video2mp3Error):
    """This link is not valid, was used before, or has expired; request another email."""

    code = "invalid_or_expired_token"
    status = 400


class EmailNotConfigured(Video2mp3Error):
    """This service sends no email; ask its operator."""

    code = "email_not_configured"
    status = 409


class NotFound(Video2mp3Error):
    """There is no resource with that id."""

    code = "not_found"
    status = 404


class MethodNotAllowed(Video2mp3Error):
    """This address does not support the method; see `Allow`."""

    code = "method_not_allowed"
    status = 405


class UnknownHost(Video2mp3Error):
    """The Host header names a host that this service does not serve; see VIDEO2MP3_ALLOWED_HOSTS."""

    code = "unknown_host"
    status = 421


class UsernameTaken(Video2mp3Error):
    """Username already registered"""

    code = "username_taken"
    status = 400


class NotFinished(Video2mp3Error):
    """The conversion has no MP3 yet; follow its events, or try again later."""

    code = "not_finished"
    status = 409
    retryable = True


class Conflict(Video2mp3Error):
    """The resource's current state does not allow this."""

    code = "conflict"
    status = 409


class WrongOffset(Conflict):
    """The upload does not continue at that offset: another request wrote to it, or it was deleted; ask with HEAD."""

    code = "wrong_offset"
    retryable = True


class IdempotencyKeyReused(Video2mp3Error):
    """This Idempotency-Key was used before for another request; use a new one."""

    code = "idempotency_key_reused"
    status = 422


class UploadIncomplete(Video2mp3Error):
    """The connection ended before the whole file arrived; send it again."""

    code = "upload_incomplete"
    status = 400
    retryable = True


class UploadTooLarge(Video2mp3Error):
    """The file is larger than this service accepts."""

    code = "upload_too_large"
    status = 413


class InvalidUploadHeader(Video2mp3Error):
    """A header of the upload protocol (tus 1.0) is missing or invalid."""

    code = "invalid_upload_header"
    status = 400


class WrongTusVersion(Video2mp3Error):
    """This service speaks version 1.0.0 of the tus protocol: send `Tus-Resumable: 1.0.0`."""

    code = "wrong_tus_version"
    status = 412


class ChecksumMismatch(Video2mp3Error):
    """The received bytes do not match the checksum; none of them was kept, send them again."""

    code = "checksum_mismatch"
    status = 460
    retryable = True


class RequestTooLarge(Video2mp3Error):
    """The request is larger than this address accepts; send videos to /v1/uploads or /v1/conversions."""

    code = "request_too_large"
    status = 413


class LoginOverloaded(Video2mp3Error):
    """Too many concurrent sign-ins; try again in a few seconds."""

    code = "login_overloaded"
    status = 503
    retryable = True


class TooManyAttempts(Video2mp3Error):
    """Too many attempts; wait for the time in `Retry-After`."""

    code = "too_many_attempts"
    status = 429
    retryable = True

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 900) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class RateLimited(TooManyAttempts):
    """Too many requests in a minute; wait for the time in `Retry-After`, and see `RateLimit`."""

    code = "rate_limited"


class TooManyWaiting(Video2mp3Error):
    """The account has reached its limit of waiting requests of this kind; try again in a few seconds."""

    code = "too_many_waiting"
    status = 429
    retryable = True


class StillRunning(Video2mp3Error):
    """The result takes longer than a request waits, but the work continues; ask again after `Retry-After`."""

    code = "still_running"
    status = 503
    retryable = True


class TooManyEventStreams(Video2mp3Error):
    """The account has reached its limit of open event streams; close one, or poll the list."""

    code = "too_many_event_streams"
    status = 429
    retryable = True
    retry_after_s = 30


class TooManyJobs(Video2mp3Error):
    """The account has reached its limit of waiting conversions; try again when some of them have ended."""

    code = "too_many_jobs"
    status = 429
    retryable = True
    retry_after_s = 30


class TooManyWebhooks(Video2mp3Error):
    """The account has reached its limit of webhooks; delete one first."""

    code = "too_many_webhooks"
    status = 409


class TooManyApiKeys(Video2mp3Error):
    """The account has reached its limit of API keys; delete one first."""

    code = "too_many_api_keys"
    status = 409


class TooManyUploads(Video2mp3Error):
    """The account has reached its limit of concurrent uploads; try again when one of them is complete."""

    code = "too_many_uploads"
    status = 429
    retryable = True


class QuotaExceeded(Video2mp3Error):
    """The file exceeds the account's storage quota; delete uploads or conversions, or wait until some expire."""

    code = "quota_exceeded"
    status = 403
    retryable = True


class Overloaded(Video2mp3Error):
    """The service is overloaded and accepts no more of this now; try again later."""

    code = "overloaded"
    status = 503
    retryable = True
    retry_after_s = 60


class UrlRejected(Video2mp3Error):
    """The URL leads to a private network; the operator can allow it with VIDEO2MP3_ALLOWED_NETWORKS."""

    code = "url_rejected"
    status = 422


class UrlSourcesDisabled(Video2mp3Error):
    """This service does not convert files at URLs; upload the file."""

    code = "url_sources_disabled"
    status = 403


class UnsupportedMediaType(Video2mp3Error):
    """This address does not accept the Content-Type of the request."""

    code = "unsupported_media_type"
    status = 415


class RangeNotSatisfiable(Video2mp3Error):
    """The requested range lies outside the file."""

    code = "range_not_satisfiable"
    status = 416


class Expired(Video2mp3Error):
    """The file has expired and was deleted; convert it again."""

    code = "expired"
    status = 410


class LinkExpired(Video2mp3Error):
    """This link has expired; ask its sender for a new one."""

    code = "link_expired"
    status = 410


class LinkStopped(Video2mp3Error):
    """The owner of the MP3 has stopped sharing it with this link."""

    code = "link_stopped"
    status = 410


# -- Media: this file will not convert, now or later --------------------------------------------------


class MediaError(Video2mp3Error):
    """The file cannot be converted."""

    code = "media_error"
    status = 422


class UnsupportedFormat(MediaError):
    """The format of this file is unknown, so it is not converted; `video2mp3 formats` lists those that are."""

    code = "unsupported_format"


class IncompleteFile(UnsupportedFormat):
    """The file is incomplete, so it cannot be read; check that it was copied whole."""

    code = "incomplete_file"


class ReferenceMovie(UnsupportedFormat):
    """This QuickTime reference movie only points to other files; convert the file that it points to."""

    code = "reference_movie"


class NoAudio(MediaError):
    """The file has no audio track, so there is nothing to convert."""

    code = "no_audio"


class UndecodableAudio(MediaError):
    """There is no decoder for the audio; save the video with another audio codec, such as AAC."""

    code = "undecodable_audio"


class EmptyAudio(UndecodableAudio):
    """The audio track is empty: there is no sound in it; choose another track or file."""

    code = "empty_audio"


class EncryptedAudio(UndecodableAudio):
    """The audio is encrypted (DRM), so it cannot be decoded; convert a copy without copy protection."""

    code = "encrypted_audio"


class CorruptAudio(UndecodableAudio):
    """The audio is damaged beyond use: nothing of it can be decoded; try another copy of the file."""

    code = "corrupt_audio"


class AudioTooLong(MediaError):
    """The audio is longer than this service accepts."""

    code = "audio_too_long"


class TrackNotFound(MediaError):
    """The file has no audio track of that number or language."""

    code = "track_not_found"


class TracksFarApart(MediaError):
    """The tracks lie too far apart in the file to be mixed; convert each one with track all."""

    code = "tracks_far_apart"


class StartOutOfRange(MediaError):
    """The chosen start is after the end of the audio."""

    code = "start_out_of_range"


class TooManySegments(MediaError):
    """The split would exceed the limit of MP3s for one conversion; choose longer segments."""

    code = "too_many_segments"


class NotMp3(MediaError):
    """The audio is not MP3, so it cannot be copied; convert it instead."""

    code = "not_mp3"


class DamagedAudio(MediaError):
    """The audio is damaged or truncated, and the options say to fail then."""

    code = "damaged_audio"


class NoPicture(MediaError):
    """The file's video has no picture that can be used as the cover."""

    code = "no_picture"


class InvalidCover(MediaError):
    """The cover picture is not a complete, decodable JPEG, PNG, WebP, AVIF, GIF or BMP."""

    code = "invalid_cover"


class UploadDeleted(MediaError):
    """The upload was deleted or expired before it was converted; send the file again."""

    code = "upload_deleted"
    status = 410


# -- The engine: another try may help, a few times ----------------------------------------------------


class EngineError(Video2mp3Error):
    """The conversion failed inside the engine."""

    code = "engine_error"
    status = 500
    retryable = True


class EngineCrashed(EngineError):
    """The engine crashed, which damaged files can cause."""

    code = "engine_crashed"


class TimeLimitReached(EngineError):
    """The conversion exceeded its time limit."""

    code = "time_limit_reached"


class ResultCheckFailed(EngineError):
    """The MP3 failed its verification and was discarded."""

    code = "result_check_failed"


class UploadDamaged(EngineError):
    """Bytes of the uploaded file are missing in the storage; send the file again."""

    code = "upload_damaged"
    retryable = False


class StoredDataDamaged(Video2mp3Error):
    """The stored file is damaged, so it is neither delivered nor converted; send it again, or convert it again."""

    code = "stored_data_damaged"
    status = 500


class WorkerLost(EngineError):
    """Too many workers were lost while they processed this conversion."""

    code = "worker_lost"


# -- Elsewhere: servers of others; another try may help, a few times, after a while -------------------


class Unreachable(Video2mp3Error):
    """The other server cannot be reached, or drops the connection."""

    code = "unreachable"
    status = 502
    retryable = True


class SourceNotFound(Video2mp3Error):
    """The server that the URL names has no such file."""

    code = "source_not_found"
    status = 422


class SourceRefused(Video2mp3Error):
    """The server that the URL names refuses access to the file; signed links expire."""

    code = "source_refused"
    status = 422


class SourceIsPage(Video2mp3Error):
    """The URL leads to a web page; use the link of the media file itself, such as one that ends in .mp4."""

    code = "source_is_page"
    status = 422


class ResultRefused(Video2mp3Error):
    """The server that `result_url` names does not accept the MP3; signed links expire."""

    code = "result_refused"
    status = 422


# -- Infrastructure: wait, then try again; it is not the job's fault -----------------------------------


class Unavailable(Video2mp3Error):
    """The service is temporarily unavailable; try again soon."""

    code = "unavailable"
    status = 503
    retryable = True

    def __init__(self, detail: str | None = None, *, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or self.detail
        """What operators are told, in the log and on the command line: users of the API get `detail`."""

    def __str__(self) -> str:
        return self.reason


class DatabaseUnavailable(Unavailable):
    """The database is unavailable; try again soon."""

    code = "database_unavailable"


class DatabaseFull(DatabaseUnavailable):
    """The database's disk is full; try again later."""

    code = "database_full"
    status = 507


class QueueUnavailable(Unavailable):
    """The message broker is unavailable; try again soon."""

    code = "queue_unavailable"


class StorageUnavailable(Unavailable):
    """The storage is unavailable; try again soon."""

    code = "storage_unavailable"


class StorageFull(Unavailable):
    """The storage is full; try again later."""

    code = "storage_full"
    status = 507
    retry_after_s = 60


class UploadStalled(Unavailable):
    """The upload has stalled; its conversion waits for the rest."""

    code = "upload_stalled"


class EmailUnavailable(Unavailable):
    """The mail server is unavailable or does not accept email now; the service tries again."""

    code = "email_unavailable"


# -- The machine and its settings: seen at start-up and on the command line ---------------------------


class ConfigurationError(Video2mp3Error):
    """A setting is missing or invalid."""

    code = "configuration_error"


class EmailRejected(Video2mp3Error):
    """The mail server rejects this email or its recipient permanently."""

    code = "email_rejected"


class FileExists(Video2mp3Error):
    """The output file exists already; use --force to overwrite it."""

    code = "file_exists"


class Canceled(Video2mp3Error):
    """The conversion was canceled."""

    code = "canceled"
    status = 409


# -- No errors: why a conversion cannot start before its whole file is there ---------------------------

BlockedReason = Literal[
    "source_not_fetched",
    "upload_too_slow",
    "loudness",
    "split_silence",
    "mix",
    "cover_at",
    "mp4_index_at_end",
    "metadata_at_end",
    "format_not_streamable",
]
BLOCKED_REASONS: Mapping[BlockedReason, str] = {
    "source_not_fetched": "The file is fetched from its URL first.",
    "upload_too_slow": "The upload came too slowly to be converted meanwhile.",
    "loudness": "The loudness of the whole file is measured first.",
    "split_silence": "Silences are searched for in the whole file.",
    "mix": "The peak of the mixed tracks is measured first.",
    "cover_at": "The cover is a picture from the middle of the video.",
    "mp4_index_at_end": "The index of this MP4 (moov) is at its end.",
    "metadata_at_end": "Tags or chapters may be at the end of this file.",
    "format_not_streamable": "Files of this format are read as a whole.",
}
"""The codes of `blocked_reason`, with a sentence for people."""
