"""Write the pages of a folder of studies, those that have been run to their end, with an index of all verdicts.

python docs/make_results.py studies/notes docs/notes --profile quick --store mlruns
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lab.analysis.claims import Verdict
from lab.records.store import Store
from lab.report.formats import written
from lab.report.numbers import count
from lab.report.report import Report, study_report
from lab.report.verdicts import verdicts_sheet
from lab.report.words import safe

VERDICTS = ("supported", "refuted", "undecided", "not testable here")


def main() -> None:
    """Read the arguments, and write every page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--store", default="mlruns")
    said = parser.parse_args()
    store = Store(said.store)
    there = set(store.studies())
    named = {path.stem: f"{path.stem}-{said.profile}" for path in sorted(said.studies.glob("*.yaml"))}
    known = {stem: study_report(store, name) for stem, name in named.items() if name in there}
    reports = {stem: report for stem, report in known.items() if not report.pending}
    said.pages.mkdir(parents=True, exist_ok=True)
    for stem, report in reports.items():
        (said.pages / f"{stem}.md").write_bytes(written("md", store, [report]))
    index = "\n".join(_index(said.studies, said.profile, reports, sorted(named.keys() - reports.keys())))
    (said.pages / "README.md").write_text(index + "\n", encoding="utf-8")


def _index(folder: Path, profile: str, reports: dict[str, Report], missing: list[str]) -> Iterator[str]:
    verdicts = [verdict for report in reports.values() for verdict in report.verdicts]
    yield f"# Results of {folder.as_posix()}, profile {profile}"
    yield ""
    yield "Made by `docs/make_results.py` from records of `lab run`; each page ends with the command that repeats it."
    yield ""
    yield f"{count(len(verdicts), 'claim')} in {count(len(reports), 'file')}: {_sum(verdicts)}."
    if missing:
        yield f"\nNot run yet: {', '.join(missing)}."
    for stem, report in reports.items():
        yield f"\n## [{stem}]({stem}.md)\n\n{report.outline.question}\n"
        if not report.verdicts:
            continue
        yield "| claim | says | verdict | seen | interval | n |\n| --- | --- | --- | ---: | ---: | ---: |"
        for row in verdicts_sheet(report).rows:
            yield "| " + " | ".join(safe(entry.text) for entry in row[:6]) + " |"


def _sum(verdicts: list[Verdict]) -> str:
    tally = Counter(verdict.verdict for verdict in verdicts)
    return ", ".join(f"{tally[each]} {each}" for each in VERDICTS if tally[each])


if __name__ == "__main__":
    main()
