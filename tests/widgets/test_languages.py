"""The words of the figures: the same in each language, all used, and none outside of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from traitlets import TraitError

from tests.widgets.runs import small_run
from tinytorch.browser.bundle import COMMENT
from tinytorch.widgets import (
    WIDGETS,
    CacheMemoryExplorer,
    GenerationPlayer,
    OperationExplorer,
    language,
)
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.bundle import host_script, view_script
from tinytorch.widgets.cache_lab import SWITCHES
from tinytorch.widgets.language import PHRASE, Language, catalogue, languages
from tinytorch.widgets.live_race import PROMPTS
from tinytorch.widgets.server_explorer import POLICIES
from tinytorch.widgets.server_scenarios import SCENARIOS

FOLDER = Path(language.__file__).parent
MODULES = {file.name: COMMENT.sub("", file.read_text("utf-8")) for file in FOLDER.glob("*.mjs")}
PYTHON = {
    file.name: file.read_text("utf-8")
    for file in FOLDER.glob("*.py")
    if file.name != Path(language.__file__).name
}
OTHERS = [name for name in languages() if name != "en"]
PLACE = re.compile(r"\{(\w+)\}")
KINDS = {"phrase": str, "phrases": dict, "plural": dict}

FOR_AUTHORS = ("embed.mjs", "embed_files.mjs")
"""What is wrong with a page is told in English, like other errors of programs."""

QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
WORDS = re.compile(r"\b[A-Z]?[a-z]{2,},? [a-z]{2,}\b|^[A-Z][a-z]+\b")
NO_WORDS = re.compile(
    r"tt-[\w-]+"  # classes
    r"|\$\{[^{}]*\}"  # values
    r"|^(?:Arrow|Page)(?:Up|Down|Left|Right)$|^(?:Enter|Escape|Home|End|RangeError)$"  # keys
)
NOT_SHOWN = {
    "your own",  # a value of a trait
    "${this.#name} could not be shown:",  # in the console
    "3px solid var(${colour})",
    "3px solid transparent",
    "color-mix(in srgb, var(${colour}) 35%, transparent)",
    "select, summary, .tt-link, .tt-scroll",
    "select, summary, .tt-link, [type=number], [type=radio]",
}


def leaves(phrases: dict, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text of a language with the names that lead to it, in their order."""
    for key, phrase in phrases.items():
        if isinstance(phrase, dict):
            yield from leaves(phrase, f"{name}/{key}")
        else:
            yield f"{name}/{key}", phrase


def is_plural(phrase: object) -> bool:
    return isinstance(phrase, dict) and "other" in phrase


@pytest.mark.parametrize("name", OTHERS)
def test_each_language_has_the_same_keys_in_the_same_order(name):
    def keys(language: str) -> list[str]:
        plain = {
            group: {key: "" if is_plural(phrase) else phrase for key, phrase in phrases.items()}
            for group, phrases in catalogue(language).items()
        }
        return [key for key, _ in leaves(plain)]

    assert keys(name) == keys("en")


@pytest.mark.parametrize("name", languages())
def test_each_plural_has_the_forms_of_the_language(name):
    forms = {
        tuple(phrase)
        for phrases in catalogue(name).values()
        for phrase in phrases.values()
        if is_plural(phrase)
    }
    assert len(forms) == 1


@pytest.mark.parametrize("name", OTHERS)
def test_each_phrase_has_the_same_places(name):
    for group, phrases in catalogue("en").items():
        for key, phrase in phrases.items():
            other = catalogue(name)[group][key]
            if is_plural(phrase):
                forms = [form.replace("{n}", "") for form in other.values()]
                pairs = [(phrase["other"].replace("{n}", ""), form) for form in forms]
            elif isinstance(phrase, dict):
                pairs = zip(phrase.values(), other.values(), strict=True)
            else:
                pairs = [(phrase, other)]
            for english, translated in pairs:
                assert sorted(PLACE.findall(translated)) == sorted(PLACE.findall(english)), key


@pytest.mark.parametrize("name", OTHERS)
def test_a_language_is_no_copy(name):
    english = dict(leaves(catalogue("en")))
    same = [key for key, phrase in leaves(catalogue(name)) if phrase == english.get(key)]
    assert len(same) < len(english) / 6, same


def test_each_phrase_is_used_as_what_it_is():
    used = {found[2]: found[1] for text in MODULES.values() for found in PHRASE.finditer(text)}
    for key, call in used.items():
        group, name = key.split(".")
        phrase = catalogue("en")[group][name]
        assert isinstance(phrase, KINDS[call]), key
        assert is_plural(phrase) == (call == "plural"), key
    python = "\n".join(PYTHON.values())
    for group, phrases in catalogue("en").items():
        for name in phrases:
            key = f"{group}.{name}"
            assert key in used or re.search(rf'"{key}[."]', python) or name == "signs", key


def test_no_sentence_stands_outside_of_the_languages():
    found = [
        f"{name}: {text}"
        for name, code in MODULES.items()
        if name not in FOR_AUTHORS
        for text in map("".join, QUOTED.findall(PHRASE.sub("", without_remarks(code))))
        if text not in NOT_SHOWN and WORDS.search(NO_WORDS.sub("", text))
    ]
    assert found == []


def without_remarks(code: str) -> str:
    """Return code without what follows it on a line, and without imports."""
    return re.sub(r"^import [^;]*;|(?<=[\s;{,])// .*$", "", code, flags=re.MULTILINE)


def test_what_python_names_has_words():
    english = catalogue("en")
    assert list(english["lab"]["titles"]) == list(english["lab"]["about"]) == list(SWITCHES)
    assert list(english["race"]["names"]) == list(PROMPTS)
    assert list(english["server"]["policies"]) == list(POLICIES)
    for table in ("scenarios", "texts", "hints"):
        assert list(english["server"][table]) == list(SCENARIOS)


def test_an_unknown_phrase_or_language_is_refused():
    with pytest.raises(KeyError, match="nothing"):
        Language("en").translated('phrase("common.nothing")')
    with pytest.raises(ValueError, match=r"language must be one of \['de', 'en'\], got 'xx'"):
        Language("xx").phrase("common.reset")


@pytest.mark.parametrize("name", languages())
def test_scripts_hold_the_phrases_of_one_language(name):
    scripts = [host_script(None, Language(name))]
    scripts += [view_script(each.__name__, each.module, Language(name)) for each in WIDGETS]
    for script in scripts:
        assert not re.search(r'\b(?:phrases?|plural)\("[a-z]+\.\w+"', script)
    for other in set(languages()) - {name}:
        for key in ("reset", "copy_yourself", "playback_keys"):
            assert json.dumps(catalogue(other)["common"][key]) not in "".join(scripts)


def test_a_figure_speaks_the_language_that_is_set(monkeypatch):
    monkeypatch.setattr(ChapterWidget, "language", "de")
    player = GenerationPlayer(small_run(6))
    assert '"Zurücksetzen"' in player._esm
    assert '"Reset"' not in player._esm
    html = player.to_html()
    assert "mit Cache 3,9-mal weniger Arbeit" in html
    assert ">ohne Cache</text>" in html
    explorer = OperationExplorer(new_tokens=2000, prompt_length=1)
    assert "2.000" in explorer.fallback().svg()
    assert "Bio. Multiply-Adds" in explorer.fallback().svg()
    explorer.model = "your own"
    assert explorer.fallback().alt.startswith("ein eigenes: Die Arbeit bisher")
    assert " von Llama-2-7B und Llama-3-8B " in CacheMemoryExplorer().fallback().alt
    with pytest.raises(TraitError, match="prompt_length must be from 1 to 8,192, got 0"):
        explorer.prompt_length = 0


def test_a_variable_chooses_the_language(monkeypatch):
    monkeypatch.delenv(language.VARIABLE, raising=False)
    assert language.chosen_language() == "en"
    monkeypatch.setenv(language.VARIABLE, "de")
    assert language.chosen_language() == "de"
