"""The reference of options that the docs carry is the one the program prints."""

from pathlib import Path

from supervisor_zkelect.config import reference


def test_the_docs_carry_the_printed_reference():
    docs = Path(__file__).parents[3] / "docs" / "options.md"
    assert docs.read_text() == reference.text()
