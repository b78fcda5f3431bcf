"""Damage files at random: bits, text, structures, and the parts of archives and folders.

`mutate` chooses what fits the kind of a file. The same generator gives the same damage.
"""

from __future__ import annotations

import copy
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]

NUMBERS = (0, 1, -1, 2, 3, 255, 65535, 65536, 2**31 - 1, -(2**31), 2**32 - 1, 2**63, 10**30)
REALS = ("nan", "inf", "-inf", "1e308", "-1e308", "1e-320", "0.5", "-0.0", "1,5", "0x10", "1_000")
WORDS = (
    "",
    " ",
    "None",
    "NA",
    "null",
    "true",
    "..",
    "../../x",
    "/etc/passwd",
    "=1+1",
    "é",
    "\x1b[31m",
)
VALUES = (None, True, False, "", "x", "x" * 5000, [], {}, [[]], [None], {"a": 1}, -1, 0, 1, 0.5,
          2**31, 2**64, -(2**63), 1e308, float("nan"), float("inf"), "../x",
          "/etc/passwd")  # fmt: skip
TEXT = (".csv", ".tsv", ".txt", ".xml", ".json", ".geojson", ".yaml", ".yml", ".oif", ".zattrs",
        ".zarray", ".zgroup")  # fmt: skip
JSON = (".json", ".geojson", ".zattrs", ".zarray", ".zgroup")
YAML = (".yaml", ".yml")
ARCHIVES = (".zip", ".xlsx", ".ozx")


def mutate(path: Path, random: Random) -> str:
    """Damage one file, or one file of a folder; return in words what was done."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        # Metadata is a small part of the files, and most of what can go wrong.
        text = [file for file in files if _suffix(file.name) in TEXT]
        files = text if text and random.random() < 0.6 else files
        chosen = files[random.integers(len(files))]
        name = chosen.relative_to(path)
        if random.random() < 0.05:
            chosen.unlink()
            return f"{name} deleted"
        return f"{name}: {mutate(chosen, random)}"
    done, content = damage(path.name, path.read_bytes(), random)
    path.write_bytes(content)
    return done


def damage(name: str, content: bytes, random: Random) -> tuple[str, bytes]:
    """Damage the content of a file of this name, once or a few times."""
    suffix = _suffix(name)
    choices: list[Damage] = list(BYTES)
    if suffix in TEXT:
        choices = [*TEXTS, *TEXTS, *BYTES]
    if suffix in JSON:
        choices = [change_json, change_json, change_json, *TEXTS, damage_bytes]
    if suffix in YAML:
        choices = [change_yaml, change_yaml, *TEXTS, damage_bytes]
    if suffix in ARCHIVES and zipfile.is_zipfile(io.BytesIO(content)):
        choices = [change_archive, change_archive, change_archive, damage_bytes]
    done = []
    for _ in range(1 + random.geometric(0.6) // 2):
        chosen = choices[random.integers(len(choices))]
        content = chosen(content, random)
        done.append(chosen.__name__.replace("_", " "))
    return ", ".join(done), content


def _suffix(name: str) -> str:
    return name if name.startswith(".z") else Path(name).suffix.lower()


def _span(content: bytes, random: Random, most: int = 64) -> slice:
    start = int(random.integers(len(content) + 1))
    return slice(start, start + int(random.integers(1, most + 1)))


def flip_bits(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.integers(1, 9) if changed else 0):
        changed[random.integers(len(changed))] ^= 1 << random.integers(8)
    return bytes(changed)


def damage_head(content: bytes, random: Random) -> bytes:
    """Flip bits in the first bytes, where most formats describe themselves."""
    return flip_bits(content[:512], random) + content[512:]


def cut_end(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content) + 1)]


def delete_span(content: bytes, random: Random) -> bytes:
    span = _span(content, random)
    return content[: span.start] + content[span.stop :]


def repeat_span(content: bytes, random: Random) -> bytes:
    span = _span(content, random)
    part = content[span] * int(random.integers(2, 50))
    return content[: span.start] + part + content[span.stop :]


def overwrite_span(content: bytes, random: Random) -> bytes:
    span = _span(content, random)
    fill = (b"\0", b"\xff", random.bytes(1))[random.integers(3)]
    return content[: span.start] + fill * (span.stop - span.start) + content[span.stop :]


def write_integer(content: bytes, random: Random) -> bytes:
    """Write an extreme number over two, four or eight bytes."""
    size = (2, 4, 8)[random.integers(3)]
    at = int(random.integers(max(len(content) - size, 0) + 1)) // 2 * 2
    number = int(NUMBERS[random.integers(len(NUMBERS))]) % 256**size
    order = ("little", "big")[random.integers(2)]
    return content[:at] + number.to_bytes(size, order) + content[at + size :]  # type: ignore[arg-type]


BYTES: tuple[Damage, ...] = (
    flip_bits, damage_head, cut_end, delete_span, repeat_span, overwrite_span, write_integer,
    write_integer,
)  # fmt: skip


def damage_bytes(content: bytes, random: Random) -> bytes:
    return BYTES[random.integers(len(BYTES))](content, random)


def change_number(content: bytes, random: Random) -> bytes:
    """Write an odd number in place of one in the text."""
    odd = [str(number) for number in NUMBERS] + [*REALS]
    return _replace(rb"-?\d+(\.\d+)?", content, odd[random.integers(len(odd))], random)


def change_word(content: bytes, random: Random) -> bytes:
    return _replace(rb"[A-Za-z_]{2,}", content, WORDS[random.integers(len(WORDS))], random)


def _replace(pattern: bytes, content: bytes, new: str, random: Random) -> bytes:
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    match = found[random.integers(len(found))]
    return content[: match.start()] + new.encode() + content[match.end() :]


def delete_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        del lines[random.integers(len(lines))]
    return b"".join(lines)


def repeat_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        at = int(random.integers(len(lines)))
        lines[at:at] = [lines[at]] * int(random.integers(1, 20))
    return b"".join(lines)


def change_separators(content: bytes, random: Random) -> bytes:
    marks = (b",", b";", b"\t", b" ", b"\n", b"\r\n", b'"', b"\0")
    old, new = (marks[random.integers(len(marks))] for _ in range(2))
    return content.replace(old, new, int(random.integers(1, 9)))


def change_coding(content: bytes, random: Random) -> bytes:
    text = content.decode("utf8", "replace")
    code = ("utf-16", "utf-16-le", "utf-8-sig", "utf-32", "utf-7")[random.integers(5)]
    return text.encode(code)


def insert_nesting(content: bytes, random: Random) -> bytes:
    at = int(random.integers(len(content) + 1))
    mark = (b"[", b"{", b"<a>", b"(", b'{"a":', b"- ")[random.integers(6)]
    return content[:at] + mark * int(random.integers(2, 5000)) + content[at:]


TEXTS: tuple[Damage, ...] = (
    change_number, change_number, change_word, delete_line, repeat_line, change_separators,
    change_coding, insert_nesting,
)  # fmt: skip


def change_json(content: bytes, random: Random) -> bytes:
    try:
        tree = json.loads(content)
    except ValueError:
        return damage_bytes(content, random)
    return json.dumps(change_tree(tree, random)).encode()


def change_yaml(content: bytes, random: Random) -> bytes:
    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        return damage_bytes(content, random)
    return yaml.safe_dump(change_tree(tree, random)).encode()


def change_tree(tree: Any, random: Random) -> Any:
    """Replace, remove, rename or repeat one part of nested lists and dictionaries."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    if not places:
        return VALUES[random.integers(len(VALUES))]
    parent, key = places[random.integers(len(places))]
    kind = random.random()
    if kind < 0.2:
        del parent[key]
    elif kind < 0.3 and isinstance(parent, dict):
        parent[f"{key}s"] = parent.pop(key)
    elif kind < 0.4 and isinstance(parent, list):
        parent[key:key] = [parent[key]] * int(random.integers(1, 20))
    elif kind < 0.45:
        nested: Any = "x"
        for _ in range(int(random.integers(1, 400))):
            nested = [nested]
        parent[key] = nested
    else:
        parent[key] = VALUES[random.integers(len(VALUES))]
    return tree


def _places(tree: Any) -> Any:
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def change_archive(content: bytes, random: Random) -> bytes:
    """Damage, remove, rename or repeat one part of a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # What an earlier damage has left cannot always be read.
        return damage_bytes(content, random)
    if not parts:
        return content
    at = int(random.integers(len(parts)))
    name, part = parts[at]
    kind = random.random()
    if kind < 0.1:
        del parts[at]
    elif kind < 0.15:
        parts[at] = (("../" + name, "x" * 200, name.upper(), "é")[random.integers(4)], part)
    elif kind < 0.2:
        parts.append((name, b"x"))
    else:
        parts[at] = (name, damage(name, part, random)[1])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts:
            archive.writestr(name, part)
    return stream.getvalue()


def copy_damaged(source: Path, target: Path, random: Random) -> str:
    """Copy a file or folder and damage the copy; return what was done."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return mutate(target, random)
