"""Text made comparable, and the few sentences and command words that the engine knows itself."""

import re
import unicodedata
from collections.abc import Mapping

from flows.core.types import Texts

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


# ── what users call the system commands: whole messages only ────────────────────────────────────────────────────────────────────────

COMMANDS: Mapping[str, str] = {
    phrase: command
    for command, phrases in {
        "restart": ("restart", "start over", "start again", "begin again", "neu starten", "neustart", "von vorne", "recommencer"),
        "stop": ("stop", "quit", "exit", "goodbye", "bye", "stopp", "beenden", "tschüss", "auf wiedersehen", "arrêter"),
        "human": (
            "human", "agent", "operator", "talk to a human", "speak to a human", "talk to an agent", "speak to an agent", "real person",
            "mensch", "mitarbeiter", "mit einem menschen sprechen", "ich möchte mit einem menschen sprechen", "un humain",
        ),
        "help": ("help", "help me", "hilfe", "aide"),
        "cancel": ("cancel", "cancel that", "never mind", "nevermind", "abbrechen", "abbruch", "annuler"),
        "repeat": ("repeat", "say again", "say that again", "what was the question", "pardon", "wiederholen", "noch einmal", "wie bitte", "répéter"),
    }.items()
    for phrase in phrases
}  # fmt: skip

# ── a correction begins like this: "no, 5 storeys" ──────────────────────────────────────────────────────────────────────────────────

CORRECTION = re.compile(
    r"^\s*(?:no|nope|sorry|oops|wait|actually|correction|i meant?|rather|change that|"
    r"nein|doch|eigentlich|ich meinte?|entschuldigung|korrektur|moment|"
    r"non|pardon|en fait|plutôt)\b[\s,.:;!-]+(?=\S)",
    re.IGNORECASE,
)

# ── sentences for what a flow does not say itself ───────────────────────────────────────────────────────────────────────────────────

_SENTENCES: Mapping[str, Mapping[str, str]] = {
    "apology": {
        "en": "Sorry, something went wrong on our side. Please try again.",
        "de": "Entschuldigung, bei uns ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal.",
    },
    "timeout": {
        "en": "Sorry, that took too long. Please try again in a moment.",
        "de": "Entschuldigung, das hat zu lange gedauert. Bitte versuchen Sie es gleich noch einmal.",
    },
    "unavailable": {
        "en": "Sorry, I can't reach the service that I need for this. Please try again in a moment.",
        "de": "Entschuldigung, ich erreiche den dafür nötigen Dienst nicht. Bitte versuchen Sie es gleich noch einmal.",
    },
    "not_understood": {
        "en": "Sorry, I didn't understand that.",
        "de": "Entschuldigung, das habe ich nicht verstanden.",
    },
    "escalated": {
        "en": 'I still don\'t understand, I\'m afraid. You can rephrase it, or write "restart" or "human".',
        "de": 'Das verstehe ich leider immer noch nicht. Formulieren Sie es anders, oder schreiben Sie "neu starten" oder "mensch".',
    },
    "confirm_correction": {
        "en": "Something has been sent already with the old value. Change it anyway?",
        "de": "Mit dem alten Wert wurde schon etwas abgeschickt. Trotzdem ändern?",
    },
    "stale": {
        "en": "That button belongs to an earlier question. Here is the current one:",
        "de": "Dieser Knopf gehört zu einer früheren Frage. Hier ist die aktuelle:",
    },
    "ask_slot": {"en": "Please tell me: {slot}", "de": "Bitte nennen Sie mir: {slot}"},
    "help": {
        "en": 'You can write "restart", "repeat", "cancel", "human" or "stop" at any time.',
        "de": 'Sie können jederzeit "neu starten", "wiederholen", "abbrechen", "mensch" oder "stopp" schreiben.',
    },
    "human": {
        "en": "I'm handing you over to a colleague. Please wait a moment.",
        "de": "Ich verbinde Sie mit einer Kollegin oder einem Kollegen. Einen Moment bitte.",
    },
    "stop": {"en": "Goodbye!", "de": "Auf Wiedersehen!"},
    "cancelled": {"en": "Cancelled.", "de": "Abgebrochen."},
    "minimum": {"en": "It must be at least {limit}.", "de": "Es muss mindestens {limit} sein."},
    "maximum": {"en": "It must be at most {limit}.", "de": "Es darf höchstens {limit} sein."},
    "min_length": {"en": "It must have at least {limit} characters.", "de": "Es muss mindestens {limit} Zeichen haben."},
    "max_length": {"en": "It must have at most {limit} characters.", "de": "Es darf höchstens {limit} Zeichen haben."},
    "whole": {"en": "It must be a whole number.", "de": "Es muss eine ganze Zahl sein."},
    "pattern": {"en": "It does not have the right format.", "de": "Das Format stimmt nicht."},
    "choice": {"en": "Please choose one of: {choices}.", "de": "Bitte wählen Sie eines davon: {choices}."},
    "email": {"en": "This is not a valid e-mail address.", "de": "Das ist keine gültige E-Mail-Adresse."},
    "phone": {"en": "This is not a valid phone number.", "de": "Das ist keine gültige Telefonnummer."},
    "url": {"en": "This is not a valid web address.", "de": "Das ist keine gültige Webadresse."},
    "expression": {"en": "This value is not possible here.", "de": "Dieser Wert ist hier nicht möglich."},
}


def sentence(key: str, locale: str, /, **facts: object) -> str:
    """The engine's own words in the user's language, else in English."""
    texts = _SENTENCES[key]
    return (texts.get(language(locale)) or texts["en"]).format_map(facts)


def best_text(texts: Texts, locale: str, channel: str, default_locale: str) -> str:
    """ "de-AT/sms", "de/sms", "de-AT", "de", "sms", "default", the flow's default locale, then whatever there is; "" for no texts."""
    short = locale[:2]
    default = default_locale
    for key in (f"{locale}/{channel}", f"{short}/{channel}", locale, short, channel, "default", default, default[:2]):
        if key in texts:
            return texts[key]
    return next(iter(texts.values()), "")
