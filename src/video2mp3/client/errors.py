"""The client's one error class, with the service's error codes."""

import httpx


class ClientError(Exception):
    """A call failed.

    `code` is one of the service's codes (docs/errors.md), `unreachable` if there was no response, or `damaged` if a
    download has another SHA-256 than reported. `status` is the HTTP status, None if there was no response.
    `retryable` means that the same call can succeed later.
    """

    def __init__(self, code: str, detail: str, *, status: int | None = None, retryable: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.retryable = retryable


def error_from_response(answer: httpx.Response) -> ClientError:
    """Returns the error of a response whose body has been read."""
    try:
        problem = answer.json()
        code, detail, retryable = str(problem["code"]), str(problem["detail"]), bool(problem["retryable"])
    except (ValueError, KeyError, TypeError):
        # The response is from a proxy, not from the service.
        code, detail = "unexpected_answer", f"{answer.url.host} answered with status {answer.status_code}."
        retryable = answer.status_code >= 500
    return ClientError(code, detail, status=answer.status_code, retryable=retryable)
