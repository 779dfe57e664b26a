"""Refuses to start a role that reads untrusted files if the sandbox does not work."""

import sys

import structlog

from video2mp3.engine import SelfTest, self_test
from video2mp3.errors import ConfigurationError
from video2mp3.telemetry import metrics

log = structlog.get_logger()


def require_sandbox(*, allow_unsandboxed: bool) -> SelfTest:
    """Runs the engine's self-test, logs its result, and returns it.

    Systems without seccomp and Landlock (macOS) are accepted.

    Raises:
        ConfigurationError: the sandbox does not work, and the settings require it.
        EngineError: the engine does not start.
    """
    result = self_test()
    metrics.UNSANDBOXED.set(not result.passed)
    facts = {"seccomp": result.seccomp, "landlock_abi": result.landlock_abi, "threads": len(result.threads)}
    if result.passed:
        log.info("sandbox_ok", **facts)
        return result
    log.warning("sandbox_failed", reason=result.sentence, allowed=allow_unsandboxed, **facts)
    if sys.platform == "linux" and not allow_unsandboxed:
        raise ConfigurationError(
            f"{result.sentence} Let the kernel or the container's profile allow it; to decode strangers' files "
            "unprotected all the same, set VIDEO2MP3_ALLOW_UNSANDBOXED=true."
        )
    return result
