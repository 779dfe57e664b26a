"""How soon the page can be used on loopback, by a browser without a cache: `python -m benchmarks.first_view`."""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.acceptance.service import PASSWORD, add_administrator, embedded
from tests.page.conftest import FLAGS
from tests.page.first_view import first_view
from tests.servers import SMTPServer, require_program

VISITS = 11


def main() -> None:
    mail_server = SMTPServer()
    mail_server.start()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded(Path(folder), mail_server) as service,
        sync_playwright() as tool,
    ):
        add_administrator(service, "ada")
        browser = tool.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        context = browser.new_context(locale="en")
        answer = context.request.post(
            f"{service.url}/v1/sessions?cookie=true",
            data={"username": "ada", "password": PASSWORD},
            headers={"Origin": service.url},
        )
        assert answer.ok, answer.text()
        seen = []
        for _ in range(1 + VISITS):
            seen.append(first_view(context, service.url))
            context.pages[-1].close()
        browser.close()
    mail_server.close()
    times = [view.interactive_s for view in seen[1:]]
    print(
        f"{seen[0].scripts} scripts, {seen[0].compressed_bytes:,} bytes compressed, {seen[0].script_bytes:,} unpacked"
    )
    print(f"interactive after {min(times):.2f} to {max(times):.2f} s, median {statistics.median(times):.2f} s")


if __name__ == "__main__":
    main()
