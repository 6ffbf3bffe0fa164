"""The flow of the demo tenant: a permit desk for an architect's office, in English and German.

It asks for building type, jurisdiction, storeys and sprinklers (all at once or one by one), answers code questions at any time, and ends with
a summary. The code facts are for illustration; each answer names its section so that a person can check it.
"""

from typing import Any


def _text(en: str, de: str) -> dict[str, str]:
    return {"en": en, "de": de}


def _answer(en: str, de: str, intent: str) -> dict[str, Any]:
    return {"on": "intent", "value": intent, "mode": "inline", "response_templates": _text(en, de), "priority": 50}


def _reply(label: str, intent: str) -> dict[str, Any]:
    return {"label": label, "intent": intent}


_QUESTIONS_EN = (_reply("How wide must a stair be?", "ask_stair_width"), _reply("How steep may a ramp be?", "ask_ramp_slope"))
_QUESTIONS_DE = (_reply("Wie breit muss die Treppe sein?", "ask_stair_width"), _reply("Wie steil darf eine Rampe sein?", "ask_ramp_slope"))
_FINISH_EN, _FINISH_DE = _reply("No, that's all", "finish"), _reply("Nein, das war's", "finish")

INTENTS: dict[str, Any] = {
    "ask_stair_width": {
        "patterns": [r"/stair\w*.*(width|wide)/", r"/(width|wide).*stair/", r"/treppe\w*.*breit/", r"/breit\w*.*treppe/"],
        "examples": ["how wide must a stair be", "minimum stair width", "Wie breit muss die Treppe sein?"],
        "labels": _text("Width of stairs", "Breite von Treppen"),
    },
    "ask_door_width": {
        "patterns": [r"/door\w*.*(width|wide)/", r"/(width|wide).*door/", r"/t(ü|ue)r\w*.*breit/", r"/breit\w*.*t(ü|ue)r/"],
        "examples": ["how wide is an exit door", "clear width of egress doors", "Wie breit muss eine Tür sein?"],
        "labels": _text("Width of doors", "Breite von Türen"),
    },
    "ask_ramp_slope": {
        "patterns": [
            r"/ramp\w*.*(slope|steep|gradient)/",
            r"/(slope|steep|gradient).*ramp/",
            r"/rampe\w*.*(steil|neigung|gef(ä|ae)lle)/",
            r"/(steil|neigung).*rampe/",
        ],
        "examples": ["how steep may a ramp be", "maximum ramp slope", "Wie steil darf eine Rampe sein?"],
        "labels": _text("Slope of ramps", "Neigung von Rampen"),
    },
    "ask_travel_distance": {
        "patterns": [r"/travel distance/", r"/how far.*exit/", r"/(rettungs|flucht)weg\w*/", r"/wie weit.*ausgang/"],
        "examples": ["what is the travel distance to an exit", "how far may the exit be", "Wie lang darf der Rettungsweg sein?"],
        "labels": _text("Travel distance", "Länge von Rettungswegen"),
    },
    "check_building": {
        "patterns": [
            r"/(check|validate) .*(building|model|house|plans)/",
            r"/(building|model) .*(comply|compliant|to code)/",
            r"/(pr(ü|ue)f\w*).*(geb(ä|ae)ude|modell|haus|pl(ä|ae)ne)/",
        ],
        "examples": ["check my building", "is my model to code", "validate the plans", "Prüfen Sie mein Gebäude"],
        "labels": _text("Check my building", "Mein Gebäude prüfen"),
    },
    "ask_why": {
        "patterns": [
            r"/why (does|do|did|is|are|has) .*(fail|wrong|refused|violat|too|not)/",
            r"/what.*wrong with/",
            r"/how (do|can|could) (i|we) fix/",
            r"/(warum|wieso|weshalb) .*(nicht|durch|fehler|falsch|verst)/",
        ],
        "examples": ["why does door 12 fail", "what is wrong with the stair", "how can I fix door 0.S3", "Warum ist Tür 12 durchgefallen?"],
        "labels": _text("Why something fails", "Warum etwas durchfällt"),
    },
    "finish": {
        "patterns": [r"/\b(no|nothing|nope|done|bye|goodbye|that.?s (it|all))\b/", r"/\b(nein|nichts|fertig|danke|tsch(ü|ue)ss|das war.?s)\b/"],
        "examples": ["that is all", "no thanks", "Nein danke"],
    },
    "start_over": {
        "patterns": [r"/start over/", r"/new building/", r"/von vorn/", r"/neues geb(ä|ae)ude/"],
        "examples": ["start over", "neues Gebäude"],
    },
}

HANDLERS: dict[str, Any] = {
    "stair_width": _answer(
        "Stairs are at least 44 in (1118 mm) wide; 36 in (914 mm) is enough below 50 occupants (IBC 2021, 1011.2).",
        "Treppen sind mindestens 1118 mm breit; unter 50 Personen genügen 914 mm (IBC 2021, 1011.2).",
        "ask_stair_width",
    ),
    "door_width": _answer(
        "An egress door needs a clear width of at least 32 in (813 mm) with the leaf open 90° (IBC 2021, 1010.1.1).",
        "Eine Tür im Rettungsweg braucht mindestens 813 mm lichte Breite bei 90° geöffnetem Flügel (IBC 2021, 1010.1.1).",
        "ask_door_width",
    ),
    "ramp_slope": _answer(
        "A ramp on an accessible route is no steeper than 1:12 (ADA Standards 2010, 405.2).",
        "Eine Rampe auf einem barrierefreien Weg ist höchstens 1:12 geneigt (ADA Standards 2010, 405.2).",
        "ask_ramp_slope",
    ),
    "travel_distance": _answer(
        "The exit access travel distance depends on occupancy and sprinklers (IBC 2021, 1017.2)."
        "{{ filled.sprinklers ? (slots.sprinklers ? ' Your building has sprinklers, so the longer limit applies.'"
        " : ' Your building has no sprinklers, so the shorter limit applies.') : '' }}",
        "Die zulässige Weglänge hängt von Nutzung und Sprinklern ab (IBC 2021, 1017.2)."
        "{{ filled.sprinklers ? (slots.sprinklers ? ' Mit Sprinklern gilt der längere Grenzwert.'"
        " : ' Ohne Sprinkler gilt der kürzere Grenzwert.') : '' }}",
        "ask_travel_distance",
    ),
    "check": {"on": "intent", "value": "check_building", "mode": "goto", "target_state": "check", "priority": 40},
    "why": {"on": "intent", "value": "ask_why", "mode": "goto", "target_state": "explain", "priority": 40},
    "help": {
        "on": "command",
        "value": "help",
        "mode": "inline",
        "response_templates": _text(
            "I collect the facts of your building and answer code questions about stairs, doors, ramps and travel distance. Say 'check my building' and I "
            "check its model, then ask why something fails. Say 'start over' for a new building.",
            "Ich sammle die Angaben zu Ihrem Gebäude und beantworte Fragen zu Treppen, Türen, Rampen und Rettungswegen. Sagen Sie 'Prüfen Sie mein Gebäude', "
            "und ich prüfe sein Modell; dann fragen Sie, warum etwas durchfällt. Sagen Sie 'von vorn' für ein neues Gebäude.",
        ),
    },
    "not_understood": {
        "on": "no_match",
        "mode": "inline",
        "response_templates": _text("I did not understand that.", "Das habe ich nicht verstanden."),
    },
    "trouble": {"on": "error", "mode": "goto", "target_state": "trouble"},
}


def _choice(value: str, en: str, de: str, *synonyms: str) -> dict[str, Any]:
    return {"value": value, "labels": _text(en, de), "synonyms": list(synonyms)}


SLOTS: dict[str, Any] = {
    "building_type": {
        "type": "enum",
        "choices": [
            _choice("residential", "residential building", "Wohngebäude", "apartments", "housing", "flats", "house", "Wohnhaus", "Wohnungen"),
            _choice("office", "office building", "Bürogebäude", "offices", "business", "Büro", "Büros"),
            _choice("school", "school", "Schule", "educational", "kindergarten"),
            _choice("retail", "shop", "Geschäft", "store", "mall", "mercantile", "Laden", "Verkaufsstätte"),
            _choice("warehouse", "warehouse", "Lager", "storage", "Lagerhalle"),
        ],
        "message": _text(
            "Please choose residential, office, school, retail or warehouse.",
            "Bitte wählen Sie Wohngebäude, Bürogebäude, Schule, Geschäft oder Lager.",
        ),
    },
    "jurisdiction": {
        "type": "enum",
        "choices": [
            _choice("us-ibc-2021", "United States (IBC 2021)", "USA (IBC 2021)", "IBC", "USA", "US", "United States"),
            _choice("uk-england", "England (Approved Documents)", "England (Approved Documents)", "England", "UK", "Britain"),
            _choice("de-mbo", "Germany (MBO)", "Deutschland (MBO)", "Germany", "Deutschland", "MBO", "Musterbauordnung"),
        ],
        "message": _text("I know IBC 2021, England and Germany.", "Ich kenne IBC 2021, England und Deutschland."),
    },
    "storeys": {
        "type": "integer",
        "minimum": 1,
        "maximum": 163,
        "message": _text("A number of storeys is a whole number from 1 to 163.", "Die Zahl der Geschosse ist eine ganze Zahl von 1 bis 163."),
    },
    "sprinklers": {"type": "boolean", "message": _text("Please answer yes or no.", "Bitte antworten Sie mit ja oder nein.")},
}

CODES = "building_codes"
INTEGRATION: dict[str, Any] = {
    "name": "Building codes",
    "type": "tool",
    "timeout_ms": 30_000,
    "options": {"tools": ["validation.run", "validation.findings", "validation.explain"]},
}


def _tool(name: str, tool: str, onward: str, arguments: dict[str, str], answers: dict[str, str]) -> dict[str, Any]:
    """A state that asks a tool of the platform about the building."""
    return {
        "name": name,
        "type": "integration",
        "config": {
            "integration_id": CODES,
            "endpoint": tool,
            "timeout_ms": 30_000,
            "request_mapping": arguments,
            "response_mapping": answers,
        },
        "transitions": [
            {"condition": "integration_success", "target_state": onward},
            {"condition": "integration_error", "target_state": "unchecked"},
        ],
    }


PERMIT_DESK: dict[str, Any] = {
    "flow_id": "permit_desk",
    "tenant_id": "demo",
    "name": "Permit desk",
    "version": "1",
    "description": "Collects the facts of a building, answers code questions and ends with a summary.",
    "initial_state": "welcome",
    "variables": {
        "high_rise": {"type": "bool", "initial": False},
        "standing": {"type": "string", "initial": ""},
        "worst": {"type": "string", "initial": ""},
        "explanation": {"type": "string", "initial": ""},
    },
    "slots": SLOTS,
    "intents": INTENTS,
    "global_handlers": HANDLERS,
    "metadata": {
        "default_locale": "en",
        "locales": ["en", "de"],
        "handoff": {
            "queue": "permits",
            "priority": 50,
            "sla_seconds": 120,
            "timeout_seconds": 600,
            "timeout_text": _text("Everybody is busy right now. Let me go on.", "Gerade sind alle im Gespräch. Ich mache weiter."),
        },
    },
    "states": {
        "welcome": {
            "name": "welcome",
            "type": "response",
            "config": {
                "response_templates": _text(
                    "Welcome to the permit desk{{ has(profile.name) ? ', ' + string(profile.name) : '' }}. Tell me about your building, or ask me a code question.",
                    "Willkommen am Bauantragsschalter{{ has(profile.name) ? ', ' + string(profile.name) : '' }}. Erzählen Sie mir von Ihrem Gebäude, oder stellen Sie eine Frage zur Bauordnung.",
                )
            },
            "transitions": [{"condition": "expression", "expression": "true", "target_state": "intake"}],
        },
        "intake": {
            "name": "intake",
            "type": "slot_filling",
            "config": {
                "required_slots": ["building_type", "jurisdiction", "storeys", "sprinklers"],
                "prompts": {
                    "building_type": _text(
                        "What kind of building is it: residential, office, school, retail or warehouse?",
                        "Was für ein Gebäude ist es: Wohngebäude, Bürogebäude, Schule, Geschäft oder Lager?",
                    ),
                    "jurisdiction": _text(
                        "Which code applies: IBC 2021, England or Germany?", "Welches Recht gilt: IBC 2021, England oder Deutschland?"
                    ),
                    "storeys": _text("How many storeys above ground does it have?", "Wie viele Geschosse über der Erde hat es?"),
                    "sprinklers": _text("Does it have sprinklers throughout?", "Hat es durchgehend Sprinkler?"),
                },
                "retry_prompts": {
                    "storeys": _text("How many storeys, as a number?", "Wie viele Geschosse, als Zahl?"),
                    "sprinklers": _text("Sprinklers throughout, yes or no?", "Durchgehend Sprinkler, ja oder nein?"),
                },
                "max_retries": 3,
            },
            "transitions": [
                {
                    "condition": "slot_filled",
                    "target_state": "assess",
                    "actions": [
                        {
                            "type": "log_event",
                            "name": "facts_complete",
                            "data": {"type": "{{ slots.building_type }}", "storeys": "{{ slots.storeys }}"},
                        }
                    ],
                }
            ],
        },
        "assess": {
            "name": "assess",
            "type": "condition",
            "config": {},
            "transitions": [
                {
                    "condition": "expression",
                    "expression": "slots.storeys >= 8",
                    "target_state": "summary",
                    "priority": 10,
                    "actions": [{"type": "set_variable", "name": "high_rise", "value": True}],
                },
                {
                    "condition": "expression",
                    "expression": "true",
                    "target_state": "summary",
                    "priority": 100,
                    "actions": [{"type": "set_variable", "name": "high_rise", "value": False}],
                },
            ],
        },
        "summary": {
            "name": "summary",
            "type": "response",
            "config": {
                "response_templates": _text(
                    "Summary: {{ labels.building_type }}, {{ slots.storeys }} storeys, {{ slots.sprinklers ? 'with' : 'without' }} sprinklers, "
                    "{{ labels.jurisdiction }}.{{ variables.high_rise ? ' Check early whether the rules for high-rise buildings apply.' : '' }}",
                    "Zusammenfassung: {{ labels.building_type }}, {{ slots.storeys }} Geschosse, {{ slots.sprinklers ? 'mit' : 'ohne' }} Sprinkler, "
                    "{{ labels.jurisdiction }}.{{ variables.high_rise ? ' Prüfen Sie früh, ob die Regeln für Hochhäuser gelten.' : '' }}",
                )
            },
            "transitions": [{"condition": "expression", "expression": "true", "target_state": "questions"}],
        },
        "questions": {
            "name": "questions",
            "type": "intent",
            "config": {
                "intent_patterns": ["finish", "start_over"],
                "confidence_threshold": 0.6,
                "prompt": {
                    "en": {"text": "Is there anything else you would like to know?", "quick_replies": [*_QUESTIONS_EN, _FINISH_EN]},
                    "de": {"text": "Möchten Sie noch etwas wissen?", "quick_replies": [*_QUESTIONS_DE, _FINISH_DE]},
                },
            },
            "transitions": [
                {"condition": "intent_match", "condition_value": "finish", "target_state": "rating"},
                {"condition": "intent_match", "condition_value": "start_over", "target_state": "restart"},
                {"condition": "timeout", "condition_value": "PT30M", "target_state": "timed_out"},
            ],
        },
        "check": _tool(
            "check",
            "validation.run",
            "list",
            {"wait_seconds": "20"},
            {"standing": "string(response.text)"},
        ),
        "list": _tool(
            "list",
            "validation.findings",
            "checked",
            {"limit": "3", "outcome": "'fail'", "ordering": "'severity'"},
            {"worst": "string(response.text)"},
        ),
        "checked": {
            "name": "checked",
            "type": "response",
            "config": {
                "response_templates": _text(
                    "{{ variables.standing }} The worst:\n{{ variables.worst }}",
                    "Geprüft. {{ variables.standing }} Am schlimmsten:\n{{ variables.worst }}",
                )
            },
            "transitions": [{"condition": "expression", "expression": "true", "target_state": "questions"}],
        },
        "explain": _tool("explain", "validation.explain", "explained", {"element": "message.text"}, {"explanation": "string(response.text)"}),
        "explained": {
            "name": "explained",
            "type": "response",
            "config": {"response_templates": _text("{{ variables.explanation }}", "{{ variables.explanation }}")},
            "transitions": [{"condition": "expression", "expression": "true", "target_state": "questions"}],
        },
        "unchecked": {
            "name": "unchecked",
            "type": "response",
            "config": {
                "response_templates": _text(
                    "I cannot answer that from the model: {{ error.message }}", "Das kann ich dem Modell nicht entnehmen: {{ error.message }}"
                )
            },
            "transitions": [{"condition": "expression", "expression": "true", "target_state": "questions"}],
        },
        "rating": {
            "name": "rating",
            "type": "slot_filling",
            "config": {
                "required_slots": ["stars"],
                "prompts": {
                    "stars": _text(
                        "How helpful was this, from 1 to 5? You may skip this.", "Wie hilfreich war das, von 1 bis 5? Sie dürfen das überspringen."
                    )
                },
                "csat": {"score": "stars"},
                "max_retries": 1,
                "timeout_ms": 600_000,
            },
            "transitions": [
                {"condition": "slot_filled", "target_state": "done"},
                {"condition": "low_confidence", "target_state": "done"},
                {"condition": "timeout", "target_state": "done"},
            ],
        },
        "restart": {
            "name": "restart",
            "type": "end",
            "config": {
                "completion_type": "restarted",
                "response_templates": _text(
                    "Start a new conversation for the next building.", "Beginnen Sie für das nächste Gebäude ein neues Gespräch."
                ),
            },
        },
        "timed_out": {
            "name": "timed_out",
            "type": "end",
            "config": {
                "completion_type": "timed_out",
                "response_templates": _text(
                    "I am closing this conversation. Your facts are kept.", "Ich schließe dieses Gespräch. Ihre Angaben bleiben erhalten."
                ),
            },
        },
        "trouble": {
            "name": "trouble",
            "type": "end",
            "config": {
                "completion_type": "failed",
                "response_templates": _text(
                    "Something went wrong on our side. A colleague will look at it.",
                    "Bei uns ist etwas schiefgegangen. Eine Kollegin sieht es sich an.",
                ),
            },
        },
        "done": {
            "name": "done",
            "type": "end",
            "config": {
                "completion_type": "completed",
                "response_templates": _text("Good luck with your permit.", "Viel Erfolg mit Ihrem Antrag."),
            },
        },
    },
}

# What the demo says, line by line; each line shows something that the engine does.
SCRIPT: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "en",
        "An architect who answers, asks in between, and is asked again",
        (
            "It is an office building",
            "How wide must a stair be?",
            "The IBC",
            "a dozen or so... I mean 12",
            "maybe",
            "yes",
            "How steep may a ramp be?",
            "no, that's all",
            "5",
        ),
    ),
    (
        "en",
        "The same architect has the model checked, and asks why",
        ("Please check my building", "Why does door 0.S3 fail?", "What is wrong with stair B flight 1?", "and why does the chimney fail?"),
    ),
    ("de", "Two facts in one sentence, in German", ("Ein Wohngebäude in Deutschland", "vier", "nein", "Das war's, danke", "überspringen")),
)
