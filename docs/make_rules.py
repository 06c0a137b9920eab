"""Write docs/rules.md from the rules: python docs/make_rules.py. A test compares the page with the code."""

from pathlib import Path

from lab.records.rules.page import rules_page

PAGE = Path(__file__).resolve().parent / "rules.md"

if __name__ == "__main__":
    PAGE.write_text(rules_page(), encoding="utf-8")
