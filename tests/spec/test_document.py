"""YAML 1.2 is read as it is written; what cannot be read is told with its line, quickly, and without a traceback."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.spec.document import DEEPEST, LARGEST, MOST_VALUES, parse, read_document

BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def mistakes(text: str) -> list[str]:
    try:
        return [str(problem) for problem in parse(text, "f.yaml").problems]
    except LabError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("", None),
        ("0x10", 16),
        ("0o17", 15),
        ("017", 17),
        ("1_000", "1_000"),
        (".5", 0.5),
        ("'1'", "1"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("|\n  1\n", "1\n"),
        ("{b: [1, {c: d}]}", {"b": [1, {"c": "d"}]}),
    ],
)
def test_scalars_are_those_of_the_core_schema(text, value):
    assert parse(f"a: {text}", "f.yaml").data == {"a": value}
    assert type(parse(f"a: {text}", "f.yaml").data["a"]) is type(value)


def test_every_key_and_item_has_its_line():
    places = parse("a: 1\nb:\n  - x\n  - c: 2\n    d.e: 3\n", "f.yaml").places
    assert {".".join(map(str, path)): place.line for path, place in places.known.items()} == {
        "a": 1, "b": 2, "b.0": 3, "b.1": 4, "b.1.c": 4, "b.1.d.e": 5,
    }  # fmt: skip
    assert str(places.at("b", 1, "d.e")) == "f.yaml:5: b[1].d.e"
    assert str(places.at("b", 7, "z")) == "f.yaml:2: b"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml:1: is empty"),
        ("# only a comment\n", "f.yaml:1: is empty"),
        ("[1, 2]", "f.yaml:1: must be a mapping: lines of `key: value`"),
        ("a: 1\nb:\n\tc: 1\n", "f.yaml:3: a tab where YAML wants spaces\n    indent with spaces"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: holds several documents\n    keep what is above `---`"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: is written twice (first in line 1)\n    keep one of them"),
        ("m:\n  x: 1\n  x: [1, 2]\n", "f.yaml:3: m.x: is written twice (first in line 2)\n    keep one of them"),
        ("a: &x 1\nb: *x\n", "f.yaml:2: b: *x repeats another part of the file\n    write it out"),
        ("a: &x [*x]\n", "f.yaml:1: a[0]: *x repeats another part of the file\n    write it out"),
        ("a: !!python/name:os.system 1\n", "the tag tag:yaml.org,2002:python/name:os.system has no meaning here"),
        ("a: .nan\n", "f.yaml:1: a: .nan is not a finite number"),
        ("a: [1, -.inf]\n", "f.yaml:1: a[1]: -.inf is not a finite number"),
        ("a: 1e999\n", "f.yaml:1: a: 1e999 is not a finite number"),
        (f"a: {'9' * 5000}\n", "f.yaml:1: a: is a number too large to be meant"),
        ("1: x\n", "f.yaml:1: 1: the key 1 is not a word\n    put it in quotes"),
        ("? [a, b]\n: x\n", "f.yaml:1: a key must be a word"),
        ("a: 'open\n", "f.yaml:1: what is opened here is never closed"),
        ("a: [1\nb: 2\n", "f.yaml:2: expected ',' or ']', but got ':'"),
        ("a: \x00\n", "f.yaml:1: holds U+0000, which no text should"),
        ('a: "\\ud800"\n', "f.yaml:1: a: holds half a character, which no text should"),
        ("a: b: c\n", "f.yaml:1: mapping values are not allowed here"),
        ("%YAML 3.4\n---\na: 1\n", "f.yaml:1: found incompatible YAML document"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text, told):
    (problem,) = mistakes(text)
    assert told in problem


def test_several_mistakes_of_reading_are_told_together():
    assert len(mistakes("a: 1\na: 2\nb: .inf\nc: *x\n")) == 3


@pytest.mark.parametrize(
    "text",
    ["[" * 50_000, "{" * 50_000, "- " * 50_000, "? " * 50_000, "a: [" + "1," * 100_000, "!" * 100_000, BOMB],
    ids=["lists", "mappings", "items", "keys", "values", "tags", "aliases"],
)
def test_a_file_made_to_hang_the_reader_is_refused_at_once(text):
    start = time.process_time()
    assert mistakes(text)
    assert time.process_time() - start < 3


def test_the_bounds_leave_room_for_honest_files():
    assert mistakes("a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)) == []
    assert mistakes(f"a: [{'1, ' * (MOST_VALUES // 10)}]") == []


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="abk:-[]{}#&*!|>'\"%@` \n\t,?0.~", max_size=60))
def test_any_text_is_read_or_refused_with_its_file(text):
    assert all(problem.startswith("f.yaml") for problem in mistakes(text))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=6)
NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(WORDS, DATA, min_size=1, max_size=4))
def test_json_is_read_as_the_yaml_it_is(data):
    document = parse(json.dumps(data, ensure_ascii=False, indent=1), "f.yaml")
    assert document.data == data
    assert document.problems == ()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"a: 1\nb: \xff\n", "f.yaml:2: is not UTF-8 text\n    save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "f.yaml:1: is not UTF-8 text\n    save the file as UTF-8"),
        (b"a" * 1_000_000, f"f.yaml: is larger than {LARGEST // 1024} KiB\n    a file is meant to be read"),
    ],
    ids=["bytes", "utf-16", "a megabyte"],
)
def test_a_file_that_is_no_text_to_read_is_refused(tmp_path, raw, told):
    (tmp_path / "f.yaml").write_bytes(raw)
    with pytest.raises(LabError) as caught:
        read_document(tmp_path / "f.yaml", "f.yaml")
    assert str(caught.value) == told


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    (tmp_path / "f.yaml").write_bytes("a: 1\r\nb: [x,\r\n  y]\r\n".encode("utf-8-sig"))
    document = read_document(tmp_path / "f.yaml", "f.yaml")
    assert document.data == {"a": 1, "b": ["x", "y"]}
    assert document.places.at("b").line == 2


def test_a_missing_file_is_told_with_its_nearest_neighbour(tmp_path):
    (tmp_path / "norm.yaml").write_text("a: 1")
    with pytest.raises(LabError, match=r"there is no such file\n    did you mean 'norm.yaml'"):
        read_document(tmp_path / "nrom.yaml", "nrom.yaml")
    with pytest.raises(LabError, match="is not a file"):
        read_document(tmp_path, "folder")
