"""The engine's own sentences: in every language, with the same blanks, and all of them on the page."""

import re
from pathlib import Path

import pytest

from conversations.core.words import COMMANDS, command_of, sentence
from flows.core.sentences import SENTENCES

PAGE = Path(__file__).parents[2] / "docs" / "protocol" / "flow.md"
LANGUAGES = {"en", "de", "es", "fr"}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_speaks_every_language_with_the_same_blanks(name: str) -> None:
    texts = SENTENCES[name]
    assert texts.keys() == LANGUAGES
    assert len({tuple(sorted(re.findall(r"\{(\w+)\}", text))) for text in texts.values()}) == 1


def test_all_of_them_are_on_the_page() -> None:
    page = PAGE.read_text()
    assert [name for name in SENTENCES if f"`{name}`" not in page] == []


def test_a_language_that_is_not_spoken_is_english() -> None:
    assert sentence("stop", "ja") == "Goodbye!"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("please cancel", "cancel"),
        ("Können Sie das wiederholen?", ""),
        ("can you help me please", "help"),
        ("ayuda por favor", "help"),
        ("cancel my subscription", ""),
    ],
)
def test_politeness_changes_no_command(text: str, command: str) -> None:
    assert command_of(text) == command


def test_every_command_is_spoken_in_every_language() -> None:
    words = {
        "restart": "reiniciar",
        "stop": "au revoir",
        "human": "conseiller",
        "help": "ayuda",
        "cancel": "cancelar",
        "cancel_all": "tout annuler",
        "repeat": "otra vez",
    }
    assert {COMMANDS[word] for word in words.values()} == set(COMMANDS.values()) == words.keys()
