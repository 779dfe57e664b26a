"""The repository uses the words of the glossary in ARCHITECTURE.md, and the docs have short sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SEARCHED = (
    *("src", "web", "docs", "deploy", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"),
    *("Makefile", "Dockerfile", "compose.yaml", "calls.json"),
)
# French has "e-mail".
SKIPPED = ("texts/fr.json", "node_modules", "__pycache__", "page/assets", "package-lock.json")
SUFFIXES = ("", ".css", ".env", ".html", ".json", ".md", ".py", ".sh", ".svelte", ".toml", ".ts", ".yaml", ".yml")

LONGEST_MEAN = 25  # words in a sentence, on average over a document


@dataclass(frozen=True)
class Former:
    """A pattern of words that are not used, the word to use instead, and a line that the pattern finds."""

    pattern: str
    instead: str
    sample: str
    under: str = ""
    """The pattern holds below this path only."""
    suffix: str = ""
    """The pattern holds for files with this suffix only."""

    def hits(self, path: str, text: str) -> Iterator[tuple[int, str]]:
        """Yields the line's number and the word that was found."""
        if path.startswith(self.under) and path.endswith(self.suffix):
            yield from ((1 + text.count("\n", 0, match.start()), match[0]) for match in re.finditer(self.pattern, text))


FORMER = (
    # Email
    Former(r"\bbad_letter\b|\bBadLetter\b", "invalid_or_expired_token", 'code = "bad_letter"'),
    Former(
        r"\bletters?\.(?:py|ask|find|use|forget_all|delete_expired)\b|account[-_]letters?|AccountLetters?"
        r"|\bclass Letter\b|LetterToken|\"letters\"|\bix_letters",
        "email, or one-time token",
        "letters.ask(session, user)",
    ),
    Former(
        r"(?i)\b(?:a|the|this|that|another|further|five|each|send|by|per|such|one|no|more|account) letters?\b",
        "email",
        "A letter goes to the address.",
    ),
    Former(
        r"(?<![-\w./@\"])(?<!: )[Mm]ails?\b(?![-:/\w\"]|\.\w| (?:server|catcher|client|program|relay)s?\b)",
        "email",
        "The service sends a mail.",
    ),
    Former(r"[\"'`]mails?[\"'`](?!,? ?\"(?:secret|mountPath))", "email", '{"kind": "mail"}'),
    Former(
        r"\bmail_(?:sent|unavailable|refused|not_configured)\b|\bMail(?:NotConfigured|Unavailable|Refused|Stuck)\b|\bwants_mail\b",
        "email_…",
        "mail_sent",
    ),
    Former(r"\b[eE]-mail", "email", "their e-mail address"),
    Former(r"\bNotice\b|\bnotice[.:]|\bnotice =", "notification", "notice: Notice", suffix=".py"),
    # Parts: dependencies, segments, ranges
    Former(r"\btoo_many_parts\b|\bTooManyParts\b", "too_many_segments", 'code = "too_many_parts"'),
    Former(
        r"[\"'`]parts?[\"'`]|\?part=|\bpart_names\b|mp3/part\.py|\bReport\.parts\b|result\??\.parts\b",
        "segment",
        "GET /mp3?part=2",
    ),
    Former(r"\bPartMissing\b", "DependencyMissing", "### PartMissing"),
    Former(
        r"\bpart of the service\b|\bmissing part\b|\bpart that is (?:missing|away)\b",
        "dependency",
        "a part of the service",
    ),
    # The engine
    Former(
        r"\bpromise_of\b|\bclass Promise\b|\bpromised_size\b",
        "ReportedSegment, declared_size",
        "promised_size = 3",
        suffix=".py",
    ),
    Former(
        r"engine/(?:\w+/)*(?:answers|heads|hearing|copying|leveling|envelope|labels|cuts|forking|probes|work)\.py",
        "the names in the map of ARCHITECTURE.md",
        "engine/child/work.py",
    ),
    Former(
        r"\bFrameListener\b|\bneeds_end\b|\bclass (?:Copying|Envelope|Labels|Head|Cuts|Work|Forked)\b",
        "the terms of ARCHITECTURE.md",
        "class Envelope:",
        suffix=".py",
    ),
    Former(r"(?i)\blast words\b", "stderr tail", "the child's last words"),
    Former(
        r"\buploads/coming\.py|\bComingUpload\b|uploads[. ]import coming",
        "growing.py, GrowingUploadSource",
        "uploads/coming.py",
    ),
    Former(
        r"\bclass (?:Ahead)\b|\bAhead\(|\bgrouped\(",
        "ReadAheadBuffer, coalesce_ranges",
        "grouped(ranges)",
        suffix=".py",
    ),
    # Jobs, the queue and requests
    Former(r"(?i)nudg(?:e|ing)", "wake", "the relay is nudged"),
    Former(r"\bwas_emptied\b", "lost_messages", "queue.was_emptied()"),
    Former(r"\bis_passing\b", "is_transient", "is_passing(status)"),
    Former(r"\bCompanion\b|\bcompanion\b", "UploadObserver", "class Companion(Protocol):"),
    Former(r"\bwaits_for\b", "blocked_reason", "job.waits_for"),
    Former(r"\bOrder\b", "ConversionRequest, JobSpec", "class Order(BaseModel):", suffix=".py"),
    Former(r"\bsubmit_in\b", "submit_in_transaction", "submit_in(session)"),
    Former(r"\bchecked_\w+|\bknown_shape\b", "validate_…", "checked_options(body)", suffix=".py"),
    Former(r"\brequire_room\b", "check_job_quota, check_storage_quota, check_free_disk", "require_room()"),
    Former(r"\bFrame\b", "RequestContextMiddleware", "class Frame:", under="src/video2mp3/api/"),
    Former(r"\bnarrowed\(|\brequire_open\b|\bGate\b", "Throttle.for_known_client, check", "gate: Gate"),
    Former(
        r"\bclass (?:Found|Started|Due)\b", "SessionLookup, IssuedSession, ClaimedEmail", "class Due:", suffix=".py"
    ),
    Former(r"\baudit\.note\b", "audit.record", "audit.note(session)"),
    Former(
        r"\bsign_in\.(?:ok|reused|failed|throttled|ended)\b|\b(?:account|api_key|invitation|webhook|link)\.made\b|\bpassword\.reset_asked\b",
        "account.created, login.succeeded, refresh_token.reused, password_reset.requested …",
        '"sign_in.ok"',
    ),
    Former(r"\bto_be_told\b|\breceiver_of\b", "subscribers_for, one_off_subscriber", "webhooks.to_be_told(job)"),
    Former(r"\bFarewell\b", "DeleteAccountRequest", "class Farewell(BaseModel):"),
    Former(r"\bis_stale\b", "needs_last_used_update", "principal.is_stale", under="src/video2mp3/a"),
    Former(r"\bnotification_turns\b|\bjobs/turns\b", "fair queueing", "jobs/notification_turns.py"),
    Former(r"\bsettling\b|\bsettle\(", "commit_with_retry", "settle(database, end)"),
    Former(
        r"\broutines?\.|[\"'`]routines[\"'`]|\bimport routines\b|\btake_turn\b",
        "periodic_tasks, try_acquire",
        "routines.take_turn()",
    ),
    # Modules with two meanings
    Former(
        r"\bcli/(?:rows|running|pairing)\.py|\bcli\.(?:rows|running|pairing)\b",
        "db.py, server.py, output_paths.py",
        "cli/rows.py",
    ),
    Former(
        r"\btelemetry[/.](?:serving|exporting)\b|\btelemetry import (?:serving|exporting)\b",
        "metrics_server.py, otel.py",
        "telemetry/serving.py",
    ),
    # Errors, settings and log events
    Former(
        r"\b(?:wrong_state|too_busy|not_media|start_beyond_end|bad_cover|upload_gone|url_refused)\b"
        r"|\b(?:WrongState|TooBusy|NotMedia|StartBeyondEnd|BadCover|UploadGone|UrlRefused|URLRefused)\b",
        "conflict, login_overloaded, unsupported_format, start_out_of_range, invalid_cover, …_deleted, url_rejected",
        'code = "not_media"',
    ),
    Former(
        r"(?i)\bsign_in_failures\b|SIGN_IN_FAILURES|(?:result|upload|audit)_lifetime_s|(?:fetch|conversion)_limit_s|min_free_bytes",
        "MAX_LOGIN_FAILURES, …_RETENTION_S, …_TIMEOUT_S, MIN_FREE_DISK_BYTES",
        "VIDEO2MP3_MIN_FREE_BYTES",
    ),
    Former(
        r"\b(?:sandbox_holds|request_broke|answer_cut|message_unusable|jobs_not_watched)\b",
        "sandbox_ok, request_failed, response_aborted, message_invalid, job_poll_failed",
        'log.info("sandbox_holds")',
    ),
    # The name video2mp3 on the package index belongs to another project
    Former(
        r"\b(?:pip3?|pipx|uv pip|uv tool|uv) (?:install|add|run) (?:-\S+ )*['\"]?video2mp3\b(?!-service)"
        r"|\buvx (?:--from )?['\"]?video2mp3\b(?!-service)",
        "video2mp3-service",
        "pip install video2mp3",
    ),
    # Plain English
    Former(r"(?i)\bthe seed(?:'s)?\b|\btutorial\b|\bthe first version\b", "the v0 API", "the tutorial's calls"),
    Former(
        r"\bPresent password\b|\bMake an account\b|\bWhere somebody is signed in\b|\bGiven up\b",
        "Current password, Create account, Active sessions, Failed",
        '"Given up"',
    ),
    Former(r"(?i)\bwhoever\b", "the client, the caller, the worker", "Whoever asks first waits."),
    Former(r"\b(?:is|are|was|were|be) gone\b", "was deleted", "the upload is gone"),
    Former(
        r"\bthe lines? breaks?\b|\bbroken lines?\b|\blines? that breaks?\b",
        "the connection drops",
        "where the line breaks",
    ),
    Former(r"\b[Tt]ells\b(?! (?:\w+ )?apart)", "reports, says, returns", "The log tells why."),
    Former(r"\bof (?:its|their|one's|our|his|your) own\b", "its own, or nothing", "in a process of its own"),
)


def searched_files() -> Iterator[Path]:
    for name in SEARCHED:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            relative = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix in SUFFIXES and not any(skipped in relative for skipped in SKIPPED):
                yield path


def test_no_former_word_is_used() -> None:
    """It should find no former word in a path or a line."""
    hits = []
    for file in searched_files():
        path = file.relative_to(ROOT).as_posix()
        text = file.read_text(errors="replace")
        for former in FORMER:
            hits += [f"{path}: {word!r} in its name: use {former.instead}" for _, word in former.hits(path, path)]
            hits += [f"{path}:{line}: {word!r}: use {former.instead}" for line, word in former.hits(path, text)]
    assert hits == [], "\n" + "\n".join(hits)


@pytest.mark.parametrize("former", FORMER, ids=lambda former: former.instead)
def test_every_pattern_finds_its_word(former: Former) -> None:
    """It should find the word in a line that has it."""
    assert list(former.hits(f"{former.under}x{former.suffix}", former.sample))


@pytest.mark.parametrize(
    "line",
    [
        'content_type="multipart/form-data"',
        "letters and digits of any script, a capital letter",
        "the mail server and mail clients",
        "An die E-Mail-Adresse gehen E-Mails.",
        "const found: Promise<string[]> = new Promise(resolve)",
        "message.dead_letter()",
        "path.parts[0], a part of the file",
        "what keeps them apart, in order",
    ],
)
def test_usual_words_are_no_hits(line: str) -> None:
    """It should leave other uses of the same letters alone."""
    assert [former.pattern for former in FORMER for _ in former.hits("src/video2mp3/x.ts", line)] == []


def prose_sentences(text: str) -> Iterator[str]:
    """Yields the sentences of paragraphs and lists; without code, tables, headings and link targets."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"`[^`]*`", "code", text)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        if not block.lstrip().startswith(("|", "#", "!", "<")):
            yield from (s for s in re.split(r"(?<=[.!?])\s+", " ".join(block.split())) if len(s.split()) > 1)


DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_sentences_are_short(path: Path) -> None:
    """It should have 25 words a sentence at most, on average."""
    lengths = [len(sentence.split()) for sentence in prose_sentences(path.read_text())]
    assert sum(lengths) <= LONGEST_MEAN * len(lengths)


def test_long_sentences_are_counted() -> None:
    """It should count the words of a sentence that goes over lines, and no code."""
    text = "One two three\nfour `a b c d`. Five six.\n\n```sh\nseven eight nine\n```\n- ten [eleven](twelve thirteen)\n"
    assert [len(sentence.split()) for sentence in prose_sentences(text)] == [5, 2, 3]
