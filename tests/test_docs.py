"""What the documentation says of commands, settings and layers is true."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import sparcell
from sparcell.core.dataset_layout import KINDS
from sparcell.models.catalogue import ModelInfo
from sparcell.studies import Study
from sparcell.training import load_recipe
from sparcell.training.settings import open_recipe_file, recipe_files, recipe_names

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PROSE = [*PAGES, *sorted((ROOT / "benchmarks").rglob("README.md"))]
MOST_WORDS = 25
"""In a sentence. The rule is 20; a test that fails at 21 would be a nuisance."""
# Words that earlier versions used in a sense of their own, and what readers know instead.
PRIVATE_WORDS = {
    r"paint(s|ed|ing)?": "predict",
    r"part(ed|ing)": "threshold, separate",
    r"(tell|tells|told) apart": "distinguish, separate",
    r"com(e|es|ing) along": "bundled",
    r"stands? above": "overrides, a layer above",
    r"(in|is|are) doubt|doubtful": "uncertain, ignored",
    r"shall": "must, will",
    r"(a|one|each|that) line (says|tells|names)": "Sparcell prints",
    r"said in (a|one) line": "Sparcell prints",
    r"haze": "out-of-focus light",
    r"dear": "costly",
    r"pupils?": "unlabelled images",
    r"by a hair": "slightly",
    r"claim(s|ed)?": "candidate object",
    r"settle[sd]?": "resolve",
    r"gained": "spurious",
    r"faded over": "blended",
    r"(to|can) be had": "available",
    r"(is|are) shown windows": "the network sees",
    r"likewise": "in the same way",
    r"mended": "repaired",
    r"lies? idle": "unused",
    r"autolabel thesis|single-cell thesis|isl paper": "author and year, see references.md",
}


def _blocks(kind: str) -> list[str]:
    found = [block for page in PAGES for block in FENCE.findall(page.read_text("utf8"))]
    return [text for own, text in found if own == kind]


def _command_lines() -> list[list[str]]:
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("sparcell ")]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("documentation_hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def helps(hooks: ModuleType) -> dict[str, str]:
    return {" ".join(words): text for words, text in hooks.help_texts()}


def test_every_command_has_its_help_on_the_page(helps: dict[str, str]) -> None:
    assert {"label", "train", "predict", "evaluate", "measure", "recipes show"} <= set(helps)
    for name, text in helps.items():
        assert f"Usage: sparcell {name}".strip() in text


def test_commands_and_options_in_the_text_exist(helps: dict[str, str]) -> None:
    lines = _command_lines()
    assert len(lines) > 20
    for words in lines:
        name = " ".join(words[:2]) if " ".join(words[:2]) in helps else words[0]
        assert name in helps, words
        for option in (word for word in words if re.match(r"--?[a-z]", word)):
            assert re.search(rf"{option}\b", helps[name]), words


def test_names_of_the_package_in_the_text_exist() -> None:
    """``sparcell.predict_array`` in text or code is a name of the package or a module of it."""
    modules = {path.stem for path in (ROOT / "src/sparcell").iterdir()}
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?<![\w/.-])sparcell\.([A-Za-z_]\w+)", page.read_text("utf8"))
    }
    assert {"predict_array", "open_image"} <= named
    # sparcell.json describes a model in a package of another tool.
    assert named <= {*sparcell.__all__, *modules, "json"}


def test_settings_in_the_text_exist() -> None:
    text = "".join(page.read_text("utf8") for page in PAGES)
    alone = re.findall(r"`--set ([a-z][^`\"]*)`", text)
    given = [("nuclei-light", [setting], False) for setting in alone]
    for words in _command_lines():
        recipe = next((word for word in words[1:2] if word in recipe_names()), "nuclei-light")
        settings = [value for option, value in itertools.pairwise(words) if option == "--set"]
        given.append((recipe, settings, "--pretrained" in words))
    assert sum(len(settings) for _, settings, _ in given) > 4
    for recipe, settings, pretrained in given:
        load_recipe(recipe, settings, pretrained=pretrained)


def test_yaml_in_the_text_can_be_used(tmp_path: Path) -> None:
    recipes = 0
    for text in _blocks("yaml"):
        content = yaml.safe_load(text)
        if "base" in content:
            path = tmp_path / "recipe.yaml"
            path.write_text(text)
            for recipe in open_recipe_file(str(path)).recipes:
                row = recipe.removeprefix(str(path))
                assert load_recipe(recipe).name == content["name"] + row
            recipes += 1
        elif "recipes" in content:
            assert Study.model_validate(content).resolve()
        elif "purpose" in content:
            assert ModelInfo.model_validate(content).rebuild
        else:
            assert set(content) <= set(KINDS)
    assert recipes


def _settings(part: dict[str, Any], prefix: str = "") -> list[str]:
    leaves = []
    for name, value in part.items():
        inner = isinstance(value, dict) and value
        leaves += _settings(value, f"{prefix}{name}.") if inner else [prefix + name]
    return leaves


@pytest.mark.parametrize("name", [open_recipe_file(f).recipes[0] for f in recipe_files()])
def test_every_setting_is_on_the_page(name: str, hooks: ModuleType) -> None:
    page = hooks.settings()
    # What stands in data.where is the user's.
    for setting in _settings(load_recipe(name, ["data.where={}"]).model_dump()):
        assert f"| `{setting}` |" in page


def test_every_recipe_is_on_the_page(hooks: ModuleType) -> None:
    page = hooks.recipes()
    for name in recipe_files():
        assert f"### {name}\n" in page
        assert all(recipe in page for recipe in open_recipe_file(name).recipes)


def test_markers_are_filled_in(hooks: ModuleType) -> None:
    for marker in hooks.PARTS:
        assert any(marker in page.read_text("utf8") for page in PAGES)
    assert "{{" not in hooks.on_page_markdown("before {{ recipes }} after")


def test_layers_in_the_text_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in contracts["contracts"] if c["type"] == "layers")
    (written,) = _blocks("layers")
    assert written.splitlines() == layers


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf8")):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_publication_of_the_references_is_in_the_citation_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))["references"]
    page = (ROOT / "docs/references.md").read_text("utf8")
    titles = re.findall(r"\(\d{4}\)\. \*(.+?)\.\*", page)
    assert len(titles) == 5
    assert {one["title"] for one in cited} == set(titles)


def _sentences(text: str) -> list[str]:
    """Sentences of a page; no headings, tables, code blocks, or what a marker stands for."""
    text = FENCE.sub("\n\n", text)
    text = re.sub(r"^(#|\||!!!|\{\{|:::|    options|      members).*$", "", text, flags=re.M)
    text = re.sub(r"^\s*([-*]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "CODE", text))
    text = text.replace("*", "").replace("et al. ", "et al ")
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    return [s for p in paragraphs for s in re.split(r'(?<=[.!?]) (?=[A-Z\d("])', p) if s]


def _length(sentence: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def _private_words(sentence: str) -> list[str]:
    return [w for w in PRIVATE_WORDS if re.search(rf"\b({w})\b", sentence, re.IGNORECASE)]


def test_sentences_of_a_page() -> None:
    page = "# The title shall go\n\nOne [two three](x.md) `a b c`. Four\nfive!\n\n| shall |\n"
    page += "\n- Six.\n- It is *parted* here\n\n```sh\nshall\n```\n"
    sentences = _sentences(page)
    assert sentences == ["One two three CODE.", "Four five!", "Six.", "It is parted here"]
    assert [_length(sentence) for sentence in sentences] == [4, 2, 1, 4]
    assert [len(_private_words(sentence)) for sentence in sentences] == [0, 0, 0, 1]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_short_and_in_common_words(page: Path) -> None:
    sentences = _sentences(page.read_text("utf8"))
    assert [s for s in sentences if _length(s) > MOST_WORDS] == []
    assert {s: words for s in sentences if (words := _private_words(s))} == {}


def test_modules_that_the_map_and_the_decisions_name_exist() -> None:
    pages = [ROOT / "docs/architecture.md", *(ROOT / "docs/decisions").glob("*.md")]
    source = ROOT / "src/sparcell"
    named = {n for p in pages for n in re.findall(r"`([a-z_/\d]+\.py)\b", p.read_text("utf8"))}
    assert len(named) > 30
    for name in named:
        found = (ROOT / name).exists() or (source / name).exists()
        assert found or ("/" not in name and list(source.rglob(name))), name


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    index, nav = (folder / "index.md").read_text("utf8"), (ROOT / "mkdocs.yml").read_text("utf8")
    for page in sorted(folder.glob("0*.md")):
        title = page.read_text("utf8").partition("\n")[0].partition(". ")[2]
        assert f"[{title}]({page.name})" in index
        assert f"decisions/{page.name}\n" in nav


def test_commands_as_functions_are_in_sparcell_itself() -> None:
    import sparcell

    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf8")
    part = page.split("## Commands as functions")[1].split("\n## ")[0]
    names = re.findall(r"^::: ([\w.]+)", part, re.MULTILINE)
    assert len(names) > 10
    for name in names:
        assert getattr(sparcell, name.rsplit(".", 1)[1]).__module__.startswith("sparcell.")
