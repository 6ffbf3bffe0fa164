"""Text made comparable, and the few sentences and command words that the engine knows itself."""

import re
import unicodedata
from collections.abc import Mapping
from typing import TypeVar

from flows.core.sentences import SENTENCES

T = TypeVar("T")

LONGEST = 10_000  # characters of a message that are looked at

_PUNCTUATION = re.compile(r"[^\w\s]+|_")


def folded(text: str) -> str:
    """Case, width, punctuation and runs of spaces no longer matter: "  Fünf-stöckig! " -> "fünf stöckig"."""
    if text.isascii():
        if text.isalnum():
            return text.lower()
        lowered = text[:LONGEST].lower()
    else:
        lowered = unicodedata.normalize("NFKC", clean(text[:LONGEST])).casefold()
    return " ".join(_PUNCTUATION.sub(" ", lowered).split())


def clean(text: str) -> str:
    """Half surrogate pairs and NUL become "\ufffd": neither RE2 nor CEL nor PostgreSQL takes them."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def language(locale: str) -> str:
    """ "de-AT" -> "de"."""
    return locale[:2].lower()


COMMANDS: Mapping[str, str] = {
    phrase: command
    for command, phrases in {
        "restart": (
            "restart", "start over", "start again", "begin again", "neu starten", "neustart", "von vorne", "recommencer", "reiniciar",
            "empezar de nuevo", "volver a empezar",
        ),
        "stop": (
            "stop", "quit", "exit", "goodbye", "bye", "stopp", "beenden", "tschüss", "auf wiedersehen", "arrêter", "au revoir", "salir",
            "adiós", "terminar",
        ),
        "human": (
            "human", "agent", "operator", "talk to a human", "speak to a human", "talk to an agent", "speak to an agent", "real person",
            "talk to a person", "speak to a person", "speak to someone",
            "mensch", "mitarbeiter", "mit einem menschen sprechen", "ich möchte mit einem menschen sprechen",
            "un humain", "conseiller", "parler à un conseiller", "parler à un humain",
            "agente", "persona", "hablar con un agente", "hablar con una persona", "un humano",
        ),
        "help": ("help", "help me", "i need help", "hilfe", "aide", "aidez moi", "ayuda", "ayúdame"),
        "cancel": (
            "cancel", "cancel that", "cancel this", "never mind", "nevermind", "forget it", "abbrechen", "abbruch", "vergiss es", "annuler",
            "laisse tomber", "cancelar", "olvídalo",
        ),
        "cancel_all": ("cancel everything", "cancel all", "alles abbrechen", "tout annuler", "cancelar todo"),
        "repeat": (
            "repeat", "repeat that", "say again", "say that again", "what was the question", "pardon", "come again", "wiederholen", "noch einmal",
            "wie bitte", "répéter", "répétez", "repetir", "repite", "otra vez", "cómo",
        ),
    }.items()
    for phrase in phrases
}  # fmt: skip

_POLITE = re.compile(
    r"^(?:please|can you|could you|would you|i want to|i d like to|i would like to|bitte|können sie|kannst du|ich möchte|por favor|puedes|"
    r"quiero|s il vous plaît|pouvez vous|je veux)\s+|\s+(?:please|now|bitte|por favor|s il vous plaît|svp)$"
)


_POLITE_HEADS = frozenset(
    ("please", "can", "could", "would", "i", "bitte", "können", "kannst", "ich", "por", "puedes", "quiero", "s", "pouvez", "je")
)
_POLITE_TAILS = (" please", " now", " bitte", " favor", " plaît", " svp")


def command_of(text: str) -> str:
    """The system command that a whole message means, politeness aside; "" when it means none."""
    said = folded(text)
    found = COMMANDS.get(said)
    if found is not None:
        return found
    head, _, _ = said.partition(" ")
    polite = head in _POLITE_HEADS or said.endswith(_POLITE_TAILS)
    return COMMANDS.get(_POLITE.sub("", _POLITE.sub("", said)), "") if polite else ""


CORRECTION = re.compile(
    r"^\s*(?:no|nope|sorry|oops|wait|actually|correction|i meant?|rather|change that|"
    r"nein|doch|eigentlich|ich meinte?|entschuldigung|korrektur|moment|"
    r"non|pardon|en fait|plutôt|perdón|en realidad|mejor dicho|quise decir|corrección)\b[\s,.:;!-]+(?=\S)",
    re.IGNORECASE,
)


def sentence(key: str, locale: str, /, **facts: object) -> str:
    """The engine's own words in the user's language, else in English."""
    texts = SENTENCES[key]
    return (texts.get(language(locale)) or texts["en"]).format_map(facts)


def best_text(texts: Mapping[str, str], locale: str, channel: str, default_locale: str) -> str:
    """As `best`, "" when there are no texts."""
    return best(texts, locale, channel, default_locale) or ""


def best(texts: Mapping[str, T], locale: str, channel: str, default_locale: str) -> T | None:
    """ "de-AT/sms", "de/sms", "de-AT", "de", "sms", "default", the flow's default locale, then whatever there is."""
    short = locale[:2]
    default = default_locale
    for key in (f"{locale}/{channel}", f"{short}/{channel}", locale, short, channel, "default", default, default[:2]):
        if key in texts:
            return texts[key]
    return next(iter(texts.values()), None)
