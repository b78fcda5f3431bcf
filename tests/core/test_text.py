from __future__ import annotations

from sparcell.core.text import about, counted, one_line, printable


def test_a_text_becomes_one_line_of_bounded_length() -> None:
    assert one_line("a  b\n   c\r\n\td\u2028e\n") == "a  b c d e"
    assert one_line("x" * 30 + "end", 15) == "xxxxx ... xxend"


def test_escape_sequences_and_names_that_are_no_text_are_written_out() -> None:
    assert printable("a\x1b[31mb\tc\nd") == "a\\x1b[31mb\tc\nd"
    assert printable("caf\udce9 \u65e5 \u202egnp.exe") == "caf\\udce9 \u65e5 \\u202egnp.exe"


def test_numbers_agree_with_their_nouns() -> None:
    assert counted(1, "image") == "1 image" and counted(0, "image") == "0 images"
    assert counted(2, "class", "classes") == "2 classes"


def test_a_file_is_named_once() -> None:
    assert about("a.tif", "no image") == "a.tif: no image"
    assert about("a.tif", "found a.tif of 0 bytes") == "found a.tif of 0 bytes"
