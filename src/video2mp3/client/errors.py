"""What can go wrong, as one class: the service's own code tells what it is."""

import httpx


class ClientError(Exception):
    """A call failed.

    `code` is the service's (docs/errors.md), or `unreachable` where no answer came, or `damaged` where a download is
    not what was promised. `status` is the HTTP status, None without an answer. `retryable`: the same call can succeed
    later.
    """

    def __init__(self, code: str, detail: str, *, status: int | None = None, retryable: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.retryable = retryable


def error_of(answer: httpx.Response) -> ClientError:
    """Returns the error that an answer tells; its body has been read."""
    try:
        problem = answer.json()
        code, detail, retryable = str(problem["code"]), str(problem["detail"]), bool(problem["retryable"])
    except (ValueError, KeyError, TypeError):
        # Not of the service itself: a proxy's, say.
        code, detail = "unexpected_answer", f"{answer.url.host} answered with status {answer.status_code}."
        retryable = answer.status_code >= 500
    return ClientError(code, detail, status=answer.status_code, retryable=retryable)
