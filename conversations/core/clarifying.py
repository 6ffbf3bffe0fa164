"""Two intents that are nearly as likely: ask which was meant, remember what was said, and go on with it when the answer comes."""

from conversations.core import handlers
from conversations.core.plan import StatePlan
from conversations.core.run import Run
from conversations.core.types import Said, Understanding
from conversations.core.words import best_text, folded
from flows.core.types import HandlerTrigger, Intent, Json

FLOOR = 0.3  # an intent less certain than this is no alternative
CERTAIN = 0.999  # what was said exactly needs no question
MOST_QUESTIONS = 2  # in a row; then the message counts as not understood
_TINY = 1e-9

NONE = "_none"  # the button for "something else"


def alternatives(run: Run, here: StatePlan) -> tuple[str, ...]:
    """The two intents between which the message does not decide; () when it does."""
    if not here.margin or len(run.understanding.intents) < 2:
        return ()
    ways = [pair for pair in run.understanding.intents if leads_on(run, here, pair[0])][:2]
    if len(ways) < 2:
        return ()
    (first, best), (second, next_best) = ways
    near = best - next_best + _TINY < here.margin and next_best >= FLOOR
    return (first, second) if near and not best >= CERTAIN > next_best else ()


def leads_on(run: Run, here: StatePlan, intent: str) -> bool:
    """Whether a transition or a handler waits for this intent by name."""
    return intent in here.heeded or handlers.find(run, HandlerTrigger.INTENT, intent) is not None


def asked_too_often(run: Run) -> bool:
    return int(run.before.question.get("count") or 0) >= MOST_QUESTIONS


def ask_which(run: Run, intents: tuple[str, ...], said: Said) -> None:
    data: dict[str, Json] = {
        "kind": "clarify",
        "token": run.token(),
        "text": said.text,
        "intents": list(intents),
        "count": int(run.before.question.get("count") or 0) + 1,
    }
    if said.understanding.entities:
        data["entities"] = dict(said.understanding.entities)
    run.emit("asked", data)
    run.consumed = True
    token = run.token()
    buttons = [{"label": label_of(run, name), "postback": {"intent": name, "token": token}} for name in intents]
    buttons.append({"label": run.sentence("something_else"), "postback": {"intent": NONE, "token": token}})
    run.offer(run.sentence("which"), tuple(buttons))


def label_of(run: Run, name: str) -> str:
    """What people read for an intent: its label, else its first example, else its name."""
    intent = next((found for level in range(len(run.work.frames) - 1, -1, -1) if (found := run.plan_at(level).program.flow.intents.get(name))), None)
    work = run.work
    own = best_text(intent.labels, work.locale, work.channel, run.plan.program.flow.default_locale) if intent is not None else ""
    return own or _example(intent) or name.replace("_", " ").replace("-", " ").capitalize()


def _example(intent: Intent | None) -> str:
    example = intent.examples[0] if intent is not None and intent.examples else ""
    return example[:1].upper() + example[1:]


def answered(run: Run, intent: str) -> Said | None:
    """What was said before the question, meant as `intent`; None when there was no such question, or it is not open any more."""
    question = run.before.question
    if question.get("kind") != "clarify" or question.get("token") != run.token() or intent not in question["intents"]:
        return None
    understanding = Understanding(intents=((intent, 1.0),), entities=question.get("entities") or {})
    run.understanding = understanding
    run.heard = {**run.heard, "text": question["text"], "intent": intent, "confidence": 1.0}
    return Said(text=question["text"], understanding=understanding)


def dropped(run: Run, intent: str) -> bool:
    """ "Something else": the words are forgotten and the user is asked to say it differently. No miss: the bot was not sure, the user was."""
    if intent != NONE:
        return False
    run.consumed = True
    run.say(run.sentence("rephrase"))
    return True


def typed(run: Run, said: Said) -> Said | None:
    """The answer in words that name one of the two: by its label, or because now only one of them fits."""
    question = run.before.question
    if question.get("kind") != "clarify" or question.get("token") != run.token():
        return None
    names = [name for name in question["intents"] if folded(label_of(run, name)) == folded(said.text) or folded(name) == folded(said.text)]
    return answered(run, names[0]) if len(names) == 1 else None
