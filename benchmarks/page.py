"""What a page costs: bytes, seconds to make, and seconds until a browser shows it and its first figure.

Run: python benchmarks/page.py [TRIALS ...]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from planted_page import large_study  # noqa: E402

from lab.report.page import page  # noqa: E402
from lab.report.report import study_report  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPENINGS = 5
PATIENCE = 120_000
SHOWN = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime / 1000"
FIGURE = ".plot svg.main-svg"


def timed(trials: int, browser) -> tuple[float, ...]:
    with tempfile.TemporaryDirectory() as folder:
        study = large_study(Path(folder), trials=trials)
        start = time.perf_counter()
        report = study_report(study.store, "planted")
        read = time.perf_counter()
        html = page(study.store, [report])
        made = time.perf_counter()
        path = Path(folder, "page.html")
        path.write_text(html)
        opened = sorted(opening(browser, path) for _ in range(OPENINGS))[OPENINGS // 2]
        return len(html.encode()) / 1e6, read - start, made - read, *opened


def opening(browser, path: Path) -> tuple[float, float, float]:
    """Seconds to the first words, to the first figure, and of CPU until then, in a tab that knows nothing."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    start, used = time.perf_counter(), of_tabs()
    tab.goto(path.as_uri(), wait_until="commit")
    tab.locator(FIGURE).first.wait_for(state="attached", timeout=PATIENCE)
    drawn = time.perf_counter() - start
    used = of_tabs() - used
    shown = tab.evaluate(SHOWN)
    context.close()
    return shown, drawn, used


def of_tabs() -> float:
    """CPU seconds of this program's tabs so far."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "--type=renderer" in " ".join(process.cmdline()):
                total += sum(process.cpu_times()[:2])
    return total


def main() -> None:
    from playwright.sync_api import sync_playwright

    sizes = [int(each) for each in sys.argv[1:]] or [80, 1_000, 10_000]
    print("| trials | MB | s to read records | s to analyse and write | s to first words | s to first figure | CPU s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for trials in sizes:
            size, read, made, shown, drawn, used = timed(trials, browser)
            told = f"{size:.1f} | {read:.1f} | {made:.1f} | {shown:.1f} | {drawn:.1f} | {used:.1f}"
            print(f"| {trials:,} | {told} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
