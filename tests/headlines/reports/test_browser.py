"""The reports in a real browser: no overflow, sortable tables, Chinese text, no errors."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from headlines.nightly.history import NightSummary, save_night
from headlines.nightly.overview import write_overview
from headlines.nightly.report import write_nightly_report
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
TIMEOUT = 60  # seconds until an unresponsive browser is ended

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


class Tab:
    """One page in the browser, through the DevTools protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0
        self.complaints: list[Any] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        self._connection.send(json.dumps(message))
        answer = self._received(lambda event: event.get("id") == self._calls)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, file: Path, width: int, scheme: str) -> None:
        """Show a file at this width and colour scheme, and wait until it is there."""
        self.complaints.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call("Page.navigate", url=file.as_uri())
        self._received(lambda event: event.get("method") == "Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _received(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            event: dict[str, Any] = json.loads(self._connection.recv(timeout=TIMEOUT))
            if event.get("method") in (
                "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled",
            ):  # fmt: skip
                self.complaints.append(event["params"])
            if wanted(event):
                return event


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser with one tab, ended with the tests."""
    profile = tmp_path_factory.mktemp("chromium")
    browser = subprocess.Popen(
        [
            str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu",
            "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={profile}",
            "about:blank",
        ],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    end = threading.Timer(TIMEOUT, os.killpg, (browser.pid, signal.SIGKILL))
    end.start()
    try:
        assert browser.stderr is not None
        lines = (re.search(r"ws://127\.0\.0\.1:(\d+)", line) for line in browser.stderr)
        port = next(found[1] for found in lines if found)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=TIMEOUT) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        with connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as connection:
            end.cancel()
            yield Tab(connection)
    finally:
        end.cancel()
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        if browser.stderr is not None:
            browser.stderr.close()


@pytest.fixture
def reports(evaluated: Any, night_of: Callable[..., NightSummary], tmp_path: Path) -> list[Path]:
    """The report of an evaluation, of two nights, one with nothing to score, and the overview."""
    return written(evaluated, night_of, DataRoot.open(tmp_path / "data"))


@pytest.fixture
def chinese_reports(
    evaluated_in_chinese: Any, night_of: Callable[..., NightSummary], tmp_path: Path
) -> list[Path]:
    """The same in Chinese."""
    root = DataRoot.open(tmp_path / "chinese", Settings(language="zh"))
    return written(evaluated_in_chinese, night_of, root)


def written(evaluated: Any, night_of: Callable[..., NightSummary], root: DataRoot) -> list[Path]:
    pages = [evaluated.evaluation.directory / "report.html"]
    for title, rows in (("2026-11-20T183000Z", 2000), ("2026-11-21T183000Z", 0)):
        night = night_of(rows=rows)
        pages.append(write_nightly_report(root, title, night))
        save_night(root, title, night)
    return [*pages, write_overview(root)]


# Each column of each table is sorted up and down; empty cells stay last.
SORTED = """
[...document.querySelectorAll("table.sortable")].flatMap(table =>
  [...table.tHead.rows[0].cells].flatMap(head => [1, 2].map(() => {
    head.querySelector("button").click();
    const values = [...table.tBodies[0].rows].map(row => valueOf(row, head.cellIndex));
    const filled = values.filter(value => value !== null);
    if (values.slice(0, filled.length).includes(null)) return "empty before the end";
    const sign = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const wrong = filled.some((value, n) => n && sign * compare(filled[n - 1], value) > 0);
    return wrong ? `${head.textContent}: ${filled}` : "";
  }))).filter(fault => fault)
"""

# Wide elements may scroll in their own boxes; the page may not.
CUT_OFF = """
[...document.querySelectorAll("main *, header *")].filter(element =>
  !element.closest(".scroll") && element.getBoundingClientRect().right > innerWidth + 0.5
).map(element => element.outerHTML.slice(0, 80))
"""

DRAWN = """
(() => {
  const context = document.createElement("canvas").getContext("2d");
  context.font = "48px " + getComputedStyle(document.body).fontFamily;
  const picture = sign => {
    context.clearRect(0, 0, 300, 150);
    context.fillText(sign, 10, 60);
    return context.canvas.toDataURL();
  };
  const missing = picture("\\uFFFF");
  return [...new Set("正面中性负获奖车祸天气，。！")].filter(sign => picture(sign) === missing);
})()
"""


# Chinese breaks between any two characters, and would stand upright in narrow columns.
UPRIGHT = """
[...document.querySelectorAll("th, td:not([class])")].filter(element => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return new Set([...range.getClientRects()].map(line => Math.round(line.top))).size > 3;
}).map(element => element.textContent)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["reports", "chinese_reports"])
def test_the_reports_render_in_a_browser(
    tab: Tab, request: pytest.FixtureRequest, language: str, width: int, scheme: str
) -> None:
    for page in request.getfixturevalue(language):
        tab.open(page, width, scheme)
        assert tab.value("innerWidth") == width
        assert tab.value("document.documentElement.scrollWidth") <= width, page
        assert tab.value(CUT_OFF) == []
        assert tab.value(UPRIGHT) == []
        assert tab.value(SORTED) == []
        assert tab.value(DRAWN) == []
        ground = tab.value("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert tab.complaints == []


def test_number_columns_sort_descending_also_by_keyboard(tab: Tab, reports: list[Path]) -> None:
    tab.open(reports[0], 1280, "light")
    table = 'document.querySelector(`[aria-label="Behaviour checks"] table`)'
    head = f"[...{table}.tHead.rows[0].cells].find(cell => cell.textContent === 'share')"
    tab.value(f"{head}.querySelector('button').focus()")
    shares = f"[...{table}.tBodies[0].rows].map(row => row.cells[2].dataset.value)"
    orders = []
    for order in ("descending", "ascending"):
        for kind in ("rawKeyDown", "char", "keyUp"):
            enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            tab.call("Input.dispatchKeyEvent", type=kind, **enter)
        assert tab.value(f"{head}.getAttribute('aria-sort')") == order
        orders.append([float(share) for share in tab.value(shares) if share])
    assert orders[0] == sorted(orders[0], reverse=True)
    assert orders[1] == sorted(orders[1])


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_word_does_not_widen_the_page(tab: Tab, reports: list[Path], width: int) -> None:
    page = reports[1].with_name("long.html")
    page.write_text(reports[1].read_text("utf-8").replace("某地获奖第0号", "A" * 500), "utf-8")
    table = 'document.querySelector(`[aria-label="Predictions of the class positive"]`)'
    widths = []
    for file in (reports[1], page):
        tab.open(file, width, "light")
        widths.append(tab.value(f"{table}.scrollWidth"))
    assert tab.value(f"{table}.textContent").count("A" * 500) == 1
    assert widths[1] <= max(widths[0], tab.value(f"{table}.clientWidth"))


def test_numbers_are_sorted_as_numbers(tab: Tab, reports: list[Path]) -> None:
    tab.open(reports[1], 1280, "light")
    table = 'document.querySelector(`[aria-label="Nights compared with dev"] table`)'
    tab.value(f"{table}.tHead.rows[0].cells[1].querySelector('button').click()")
    shown = tab.value(f"[...{table}.tBodies[0].rows].map(row => row.cells[1].textContent)")
    assert shown == ["2,000", "900", "700", "700", "700"]


def test_the_page_runs_no_script_but_its_own(tab: Tab, reports: list[Path]) -> None:
    page = reports[2].with_name("changed.html")
    text = reports[2].read_text("utf-8").replace("</main>", "<script>window.x = 1</script></main>")
    page.write_text(text, "utf-8")
    tab.open(page, 1280, "light")
    assert tab.value("window.x === undefined")
    assert "Content Security Policy" in json.dumps(tab.complaints)
