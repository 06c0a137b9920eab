"""Write docs/reference.md from the types: python docs/make_reference.py. A test compares the page with the code."""

from pathlib import Path

from lab.spec.tables import markdown_reference

PAGE = Path(__file__).resolve().parent / "reference.md"

if __name__ == "__main__":
    PAGE.write_text(markdown_reference(), encoding="utf-8")
