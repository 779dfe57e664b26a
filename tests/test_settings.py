"""The settings as the environment gives them."""

import subprocess
import sys
from pathlib import Path

import pytest

from video2mp3.errors import ConfigurationError
from video2mp3.settings import Settings, default_data_dir, load_settings


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should not take an empty folder for the current one, nor an empty port for a wrong one."""
    monkeypatch.setenv("VIDEO2MP3_DATA_DIR", "")
    monkeypatch.setenv("VIDEO2MP3_PORT", "")
    settings = load_settings()
    assert (settings.data_dir, settings.port) == (default_data_dir(), 8000)
    monkeypatch.setenv("VIDEO2MP3_PORT", "8001")
    assert load_settings().port == 8001


def test_messages_name_what_chose_a_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It should be the part's own variable where it is set, else the data folder."""
    monkeypatch.delenv("VIDEO2MP3_DATABASE_URL", raising=False)
    monkeypatch.setenv("VIDEO2MP3_DATA_DIR", str(tmp_path))
    assert load_settings().origin("database_url") == f"VIDEO2MP3_DATA_DIR={tmp_path}"
    monkeypatch.setenv("VIDEO2MP3_DATABASE_URL", "sqlite:///elsewhere.db")
    assert load_settings().origin("database_url") == "VIDEO2MP3_DATABASE_URL"


def test_a_setting_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It should be read without its last newline, be known as a setting, and yield to a flag."""
    for variable, text in {"VIDEO2MP3_SMTP_PASSWORD_FILE": "correct horse\n", "video2mp3_port_file": "8001\n"}.items():
        (tmp_path / variable).write_text(text)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    settings = load_settings()
    assert (settings.smtp_password.get_secret_value(), settings.port) == ("correct horse", 8001)
    assert load_settings(port=8002).port == 8002


@pytest.mark.parametrize("wrong", ["both", "missing", "binary", "value"])
def test_a_file_that_cannot_be_taken_is_named(wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It should be one sentence with the variable."""
    if wrong == "both":
        monkeypatch.setenv("VIDEO2MP3_PORT", "8000")
    if wrong != "missing":
        (tmp_path / "port").write_bytes({"binary": b"\xff", "value": b"eighty"}.get(wrong, b"8000"))
    monkeypatch.setenv("VIDEO2MP3_PORT_FILE", str(tmp_path / "port"))
    with pytest.raises(ConfigurationError, match="VIDEO2MP3_PORT"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "text"), [("ALLOWED_NETWORKS", "10.0.0.1/8"), ("ALLOWED_PORTS", "http"), ("ALLOWED_PORTS", "80,65536")]
)
def test_networks_and_ports_are_checked_when_they_are_read(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should not be at the first URL that a mistake is seen."""
    monkeypatch.setenv("VIDEO2MP3_ALLOWED_NETWORKS", "10.0.0.0/8, fd00::/8")
    monkeypatch.setenv("VIDEO2MP3_ALLOWED_PORTS", "443, 8443")
    settings = load_settings()
    assert [str(network) for network in settings.networks] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.ports == {443, 8443}
    monkeypatch.setenv(f"VIDEO2MP3_{name}", text)
    with pytest.raises(ConfigurationError, match=f"VIDEO2MP3_{name}"):
        load_settings()


def test_every_number_is_bounded() -> None:
    """It should have a minimum and a maximum, both finite; no extreme should be taken."""
    numbers = {
        name: schema
        for name, schema in Settings.model_json_schema()["properties"].items()
        if schema.get("type") in ("integer", "number")
    }
    assert len(numbers) > 20
    unbounded = [
        name
        for name, schema in numbers.items()
        if not all(isinstance(schema.get(bound), int) for bound in ("minimum", "maximum"))
    ]
    assert unbounded == []
    for name in numbers:
        for text in ("nan", "inf", "5e-324", "1e308", str(2**63)):
            with pytest.raises(ConfigurationError):
                load_settings(**{name: text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "mysql+pymysql://user:hun@ter2@127.0.0.1/db"),
        ("DATABASE_URL", "mysql+pymysql://user:hun@ter2:x@127.0.0.1/db"),
        ("DATABASE_URL", "mysql+pymysql://user:hun@t/ter2@127.0.0.1/db"),
        ("DATABASE_URL", "mysql+pymysql://user:hun#ter2@127.0.0.1/db"),
        ("DATABASE_URL", "mysql+pymysql://user:hun@[ter2@127.0.0.1/db"),
        ("QUEUE_URL", "amqp://user:[hunter2@127.0.0.1/"),
        ("QUEUE_URL", "amqp://user:12/hunter2@127.0.0.1/"),
        ("QUEUE_URL", "amqp://user:hunter2@127.0.0.1:x/"),
        ("STORAGE_URL", "s3://key:hunter2@bucket/prefix"),
        ("STORAGE_URL", "s3://[hunter2"),
        ("S3_ENDPOINT_URL", "http://key:hun@ter2@127.0.0.1"),
        ("S3_ENDPOINT_URL", "hunter2"),
        ("S3_ENDPOINT_URL", "http://127.0.0.1:hunter2"),
        ("PUBLIC_URL", "http://[hunter2"),
        ("TRACES_URL", "http://user:hunter2@127.0.0.1:port/"),
        ("TRUSTED_PROXIES", "hunter2"),
        ("ALLOWED_PORTS", "hunter2"),
        ("PORT", "hunter2"),
        ("REGISTRATION", "hunter2"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True], ids=["variable", "file"])
def test_a_wrong_setting_is_named_and_never_shown(
    name: str, text: str, in_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It should keep what it says to itself: a password may be in it, or the wrong file may have been named."""
    if in_file:
        (tmp_path / name).write_text(text)
        monkeypatch.setenv(f"VIDEO2MP3_{name}_FILE", str(tmp_path / name))
    else:
        monkeypatch.setenv(f"VIDEO2MP3_{name}", text)
    with pytest.raises(ConfigurationError, match=f"VIDEO2MP3_{name}: ") as raised:
        load_settings()
    assert "ter2" not in str(raised.value.detail)
    assert "\n" not in str(raised.value.detail)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "mysql+pymysql://user:hun%40ter2@[::1]:3306/db"),
        ("DATABASE_URL", "sqlite:////home/me@work/x.db"),
        ("DATABASE_URL", "sqlite:////srv/my data/x.db"),
        ("STORAGE_URL", "file:///home/me@work"),
        ("STORAGE_URL", "s3://bucket/me@work"),
        ("QUEUE_URL", "amqps://user:hunter2@broker.example/vhost?heartbeat=20"),
        ("PUBLIC_URL", "https://example.org/mp3/"),
    ],
)
def test_ordinary_urls_are_taken(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"VIDEO2MP3_{name}", text)
    assert getattr(load_settings(), name.lower()) == text


@pytest.mark.parametrize(
    ("settings", "who"),
    [
        ({}, "open"),
        ({"host": "::1"}, "open"),
        ({"host": "localhost"}, "open"),
        ({"host": "0.0.0.0"}, "invite"),
        ({"host": "192.0.2.1"}, "invite"),
        ({"host": "video.example.org"}, "invite"),
        ({"public_url": "https://video.example.org"}, "invite"),
        ({"trusted_proxies": "127.0.0.1"}, "invite"),
        ({"registration": "closed"}, "closed"),
        ({"registration": "open", "host": "0.0.0.0", "public_url": "https://video.example.org"}, "open"),
    ],
)
def test_registration_is_open_to_this_machine_only_unless_it_is_set(settings: dict[str, object], who: str) -> None:
    """It should be by invitation where others reach the service, also through a proxy on this machine."""
    assert load_settings(**settings).effective_registration == who


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("VIDEO2MP3_S3_ENDPOINT", "There is no VIDEO2MP3_S3_ENDPOINT; the nearest is VIDEO2MP3_S3_ENDPOINT_URL."),
        ("VIDEO2MP3_SMTP_PASSWORT_FILE", "the nearest is VIDEO2MP3_SMTP_PASSWORD_FILE."),
        ("VIDEO2MP3_MAX_UPLOAD_SIZE", "There is no VIDEO2MP3_MAX_UPLOAD_SIZE; the nearest is VIDEO2MP3_MAX_UPLOAD_"),
    ],
)
def test_a_mistyped_variable_stops_the_start(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should name the nearest one: what is ignored is believed to be set."""
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert said in raised.value.detail


def test_what_kubernetes_sets_for_services_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should start beside services whose names begin with `video2mp3`, though Kubernetes names variables so."""
    for name, value in {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP": "8000",
        "PORT": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP_PROTO": "tcp",
        "METRICS_PORT": "tcp://10.0.0.1:9464",
        # Links of Docker.
        "NAME": "/web/video2mp3",
        "ENV_PATH": "/usr/bin",
        "PORT_8000_TCP_START": "tcp://10.0.0.1:8000",
        "API_SERVICE_HOST": "10.0.0.1",
        "API_SERVICE_PORT_HTTP": "8000",
        "API_PORT": "tcp://10.0.0.1:8000",
        "API_PORT_8000_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(f"VIDEO2MP3_{name}", value)
    settings = load_settings()
    assert (settings.port, settings.metrics_port) == (8000, 0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("PUBLIC_URL", "mp3.example.org", "it has no scheme; it is written like https://example.org"),
        ("PUBLIC_URL", "https://bücher.example", "xn--"),
        ("PUBLIC_URL", "https://mp3.example.org/?a=b", "no user, ? or #"),
        ("PUBLIC_URL", "https://mp3.example.org/#/", "no user, ? or #"),
        ("PUBLIC_URL", "https://me:secret@mp3.example.org", "no user, ? or #"),
        ("ALLOWED_HOSTS", "https://mp3.example.org", "without a scheme and a port"),
        ("ALLOWED_HOSTS", "*.example.org, mp3.example.org:8443", "without a scheme and a port"),
        ("S3_ENDPOINT_URL", "minio:9000", "it has no scheme"),
        ("STORAGE_URL", "/srv/video2mp3", "file:///folder or s3://bucket/prefix"),
        ("DATABASE_URL", "db.example/video2mp3", "mysql+pymysql://user:password@host/database"),
        ("QUEUE_URL", "user:password@broker:5672/", "amqp://user:password@host/"),
        ("QUEUE_URL", "amqp://user:pass word@broker/", "it has a blank"),
        ("HOST", "127.0.0.1:8000", "the port is VIDEO2MP3_PORT"),
        ("HOST", "http://127.0.0.1", "the port is VIDEO2MP3_PORT"),
        ("HOST", "a..b", "it is not a host name"),
        ("SMTP_HOST", "smtp.example.org:587", "the port is VIDEO2MP3_SMTP_PORT"),
        ("PORT", "eighty", "it has to be a whole number"),
        ("PORT", "80000", "it has to be at most 65535"),
        ("REQUIRE_LOGIN", "perhaps", "it has to be true or false"),
        ("SMTP_SECURITY", "ssl", "it has to be 'starttls', 'tls' or 'none'"),
    ],
)
def test_a_wrong_value_is_one_sentence(name: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"VIDEO2MP3_{name}", text)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert raised.value.detail.startswith(f"Wrong setting: VIDEO2MP3_{name}: ")
    assert said in raised.value.detail
    assert raised.value.detail.count(". ") == 0


def test_blanks_around_a_value_are_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO2MP3_PUBLIC_URL", " HTTPS://mp3.example.org/ ")
    monkeypatch.setenv("VIDEO2MP3_QUEUE_URL", "memory:// ")
    settings = load_settings()
    assert (settings.effective_public_url, settings.queue_url) == ("https://mp3.example.org", "memory://")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::1", "http://[::1]:8000"),
        ("[::1]", "http://[::1]:8000"),
        ("::", "http://localhost:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("192.0.2.1", "http://192.0.2.1:8000"),
    ],
)
def test_links_lead_to_the_host(host: str, url: str) -> None:
    assert load_settings(host=host).effective_public_url == url


def test_who_has_no_home_names_a_folder(tmp_path: Path) -> None:
    """It should be one sentence where neither HOME nor an entry of the user says where data belong."""
    program = "from video2mp3.settings import load_settings; print(load_settings().data_dir)"

    def run(**env: str) -> str:
        command = [sys.executable, "-c", f"import os; os.getuid = lambda: 54321; {program}"]
        result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return (result.stdout or result.stderr).splitlines()[-1]

    sentence = "This user has no home folder; name a folder with VIDEO2MP3_DATA_DIR (or --data-dir)."
    assert run() == f"video2mp3.errors.ConfigurationError: {sentence}"
    assert run(HOME="") == f"video2mp3.errors.ConfigurationError: {sentence}"
    assert run(VIDEO2MP3_DATA_DIR=str(tmp_path)) == str(tmp_path)
    assert run(HOME=str(tmp_path), VIDEO2MP3_DATA_DIR="~/data") == str(tmp_path / "data")
    assert run(HOME=str(tmp_path)) == str(tmp_path / ".local" / "share" / "video2mp3")
