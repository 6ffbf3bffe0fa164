"""Public chat pages: `/chat/<public_id>/`, its session, and the script that shows it on other sites. Nobody logs in here.

The page has no inline script or style and loads nothing from elsewhere but pictures that the flow's author has chosen.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language_from_request
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from conversations import bodies, channels, queries, visitors
from conversations.core.words import language
from conversations.models import WebChannel
from mcp_platform import errors, observability, rest
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy import scope, throttling

log = observability.logger(__name__)
View = Callable[..., HttpResponse]

SESSION = {
    "start_id": bodies.text(64, empty=False),
    "token": bodies.text(4096),
    "locale": bodies.START["locale"],
    "afresh": bodies.boolean,
}
SHORTEST_START_ID = 16  # it is a secret of the browser
LANGUAGES = ("en", "de")


@require_GET
@xframe_options_exempt  # the policy says which sites may
def page(request: HttpRequest, public_id: str) -> HttpResponse:
    here = _channel_or_404(public_id)
    locale = request.GET.get("locale", "") or here.locale or get_language_from_request(request)
    shown = language(locale) if language(locale) in LANGUAGES else "en"
    facts = {"channel": here, "locale": locale[:20], "language": shown, "texts": TEXTS[shown], "embedded": "embed" in request.GET}
    response = HttpResponse(render_to_string("chat/page.html", facts, request))
    response.headers["Content-Security-Policy"] = policy(request, here)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
    return response


def policy(request: HttpRequest, here: WebChannel) -> str:
    host = request.get_host()
    frames = " ".join(["'self'", *(origin for origin in here.allowed_origins if channels.is_origin(str(origin)))])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' https: data:; "
        f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
    )


def _channel_or_404(public_id: str) -> WebChannel:
    try:
        here = visitors.channel(public_id)
    except PlatformError as error:
        raise Http404(error.message) from error
    scope.become(here.tenant)
    return here


def _as_problems(view: View) -> View:
    """What goes wrong becomes a problem document, as below /api/."""

    @functools.wraps(view)
    def answered(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except Exception as fault:
            error = rest.as_platform_error(fault)
            if error is None:
                log.error("unexpected", exc_info=fault)
                error = errors.Broken()
            response = rest.problem_json(error)
            for name, value in getattr(error, "headers", {}).items():
                response.headers[name] = value
            return response

    return answered


class _OnlyPost(errors.Invalid):
    """Only POST is answered here."""

    code = "METHOD_NOT_ALLOWED"


@csrf_exempt  # no cookie is read: the token is in the body
@_as_problems
def session(request: HttpRequest, public_id: str) -> HttpResponse:
    """Begin or resume the visitor's conversation: its token for the next time, and a ticket for the socket."""
    if request.method != "POST":
        raise _OnlyPost
    address = throttling.address_of(request)
    throttling.spend_visitor("chat-start", address)
    if not _same_origin(request):
        raise errors.Denied("This page may not open the chat.")
    given = _session_body(request)
    here = visitors.channel(public_id)
    scope.become(here.tenant)
    observability.bind(tenant_id=here.tenant.pk)
    visitor = channels.enter(here, **given, address=address)
    held = queries.conversation(here.tenant, visitor.conversation_id)
    return JsonResponse(
        {
            "token": visitors.token_of(visitor),
            "ticket": visitors.issue_ticket(visitor),
            "status": held.status,
            "last_seq": held.last_seq,
        },
        headers={"Cache-Control": "no-store"},
    )


def _session_body(request: HttpRequest) -> dict[str, Any]:
    """Raises SchemaError."""
    given = bodies.checked(rest.read_json(request.body), SESSION, ("start_id",))
    if len(given["start_id"]) < SHORTEST_START_ID:
        expected = f"at least {SHORTEST_START_ID} random characters"
        raise rest.SchemaError(errors=[{"path": "$.start_id", "code": "too_short", "message": "can be guessed", "expected": expected}])
    return given


def _same_origin(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin", "")
    return not origin or origin.partition("://")[2].lower() == request.get_host().lower()


@require_GET
def embed(request: HttpRequest, public_id: str) -> HttpResponse:
    """The script for `<script src=".../embed.js" async>`: a button that opens the page in a frame."""
    here = _channel_or_404(public_id)
    labels = {name: {"open": texts["open"], "close": texts["close"]} for name, texts in TEXTS.items()}
    facts = {"title": here.name, "colour": here.colour, "locale": here.locale, "labels": labels}
    response = HttpResponse(f"{_script()}({json.dumps(facts)});\n", content_type="text/javascript; charset=utf-8")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@functools.cache
def _script() -> str:
    return (Path(settings.BASE_DIR) / "static" / "chat" / "embed.js").read_text().strip().removesuffix(";")


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "say": "Write a message", "send": "Send", "human": "Talk to a person", "again": "Start again", "connecting": "Connecting …",
        "online": "Connected", "offline": "No connection. I'll try again.", "waiting": "Waiting for a person", "typing": "is typing",
        "agent": "Agent", "agent_joined": "{name} has joined.", "agent_left": "{name} has left.", "ended": "The conversation has ended.",
        "restarted": "The conversation begins again.", "failed": "That did not work. Please try again.", "gone": "This chat is not available.",
        "slow": "Too many messages. One moment, please.", "log": "Conversation", "open": "Open the chat", "close": "Close the chat",
        "choices": "Answers to choose from", "new_line": "Enter sends, Shift and Enter begin a new line",
    },
    "de": {
        "say": "Nachricht schreiben", "send": "Senden", "human": "Mit einem Menschen sprechen", "again": "Neu beginnen", "connecting": "Verbinde …",
        "online": "Verbunden", "offline": "Keine Verbindung. Ich versuche es weiter.", "waiting": "Sie warten auf einen Menschen",
        "typing": "schreibt", "agent": "Team", "agent_joined": "{name} ist jetzt da.", "agent_left": "{name} hat das Gespräch verlassen.",
        "ended": "Das Gespräch ist beendet.", "restarted": "Das Gespräch beginnt von vorn.",
        "failed": "Das hat nicht geklappt. Bitte versuchen Sie es noch einmal.", "gone": "Dieser Chat ist nicht verfügbar.",
        "slow": "Zu viele Nachrichten. Einen Moment bitte.", "log": "Gespräch", "open": "Chat öffnen", "close": "Chat schließen",
        "choices": "Antworten zur Auswahl", "new_line": "Eingabe sendet, Umschalt und Eingabe beginnen eine neue Zeile",
    },
}  # fmt: skip
