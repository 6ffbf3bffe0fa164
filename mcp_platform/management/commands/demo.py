"""`manage.py demo`: demo data, the main job on real input through the real server, printed as it happens; then keep serving."""

import contextlib
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from clients.chat.client import Chat
from conversations import channels
from conversations.models import WebChannel
from demo import building, experiment, products, servers
from demo.permit_desk import CODES, INTEGRATION, PERMIT_DESK, SCRIPT
from flows import queries as flow_queries
from flows import services as flow_services
from flows.models import Integration
from mcp_platform.management.commands.serve import require_free
from mcp_platform.tenancy import queries as tenancy_queries
from mcp_platform.tenancy import scope, services
from mcp_platform.tenancy.models import ApiKey, Membership, Role, Tenant, User
from validation.models import Building

KEY_SCOPES = [
    *("flows:read", "conversations:read", "conversations:write", "conversations:operate", "tenants:read"),
    *("validation:read", "validation:write", "validation:run"),
    *("servers:read", "servers:write", "servers:use", "tools:ping", "tools:health", "tools:echo"),
    *("metadata:read", "reports:read", "reports:write", "experiments:read"),
]


class Command(BaseCommand):
    help = "Fill the demo tenant, run a scripted conversation through the real HTTP server, then serve."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.HTTP_PORT)
        parser.add_argument("--no-serve", action="store_true", help="End after the scripted conversation.")

    def handle(self, *args: Any, **options: Any) -> None:
        require_free("127.0.0.1", options["port"])
        self._say("1  Database: migrations")
        call_command("migrate", verbosity=0, skip_checks=False)
        port = options["port"]
        with serving(port) as ready:  # it starts up while the data is made
            password, key, chat, house = self._fill(port)
            self._say(f"5  Server on port {port}")
            ready()
            base = f"http://127.0.0.1:{port}"
            self._say("6  The building's IFC model: sent, read, checked")
            building.Office(base, key, str(house.pk), self._say).check()
            self._say("7  The gateway: the platform's own MCP endpoint as an upstream, two of its tools offered")
            servers.connect(base, key, self._say)
            for locale, title, lines in SCRIPT:
                Story(self, Chat(base, key), locale, title).tell(lines)
            self._farewell(base, password, key, chat, house.pk)
            if not options["no_serve"]:
                wait_for_signal()

    def _fill(self, port: int) -> tuple[str, str, str, Building]:
        """The admin's password, an API key, the path of the public chat, the building."""
        self._say("2  Demo tenant: users, API key, the flow 'Permit desk'")
        with scope.platform_scope():
            password, key = prepare()
            tenant, admin = Tenant.objects.get(slug="demo"), User.objects.get(username="admin")
            servers.prepare(tenant, admin, port)
            chat = chat_page()
            self._say("3  Building codes: the starter pack, a project in Seattle, its building")
            house = prepare_building(self._say)
            self._say("4  An experiment on the permit desk's first question, with simulated users")
            experiment.prepare(tenant, admin)
        return password, key, chat, house

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _farewell(self, base: str, password: str, key: str, chat: str, house: Any) -> None:
        self._say(f"""
Admin       {base}/admin/   user admin   password {password}
Building    {base}/admin/validation/building/{house}/change/   approve waivers as user official   password {_kept_password("demo_official_password")}
API docs    {base}/api/docs/
Try it      curl -s {base}/api/v1/conversations -H 'Authorization: Bearer {key}' \\
                 -H 'Content-Type: application/json' -d '{{"flow_id": "permit_desk", "locale": "en"}}'
MCP         {base}/mcp   any client of the Model Context Protocol, with that key or by logging in
Chat        .venv/bin/python -m clients.chat --url {base} --key {key}
Web chat    {base}{chat}   say "human" there, and answer in {base}/admin/conversations/handoff/""")


def prepare() -> tuple[str, str]:
    """Create what is not there yet; gives the admin's password and an API key, both generated once and kept in the state directory."""
    tenant = Tenant.objects.filter(slug="demo").first() or services.create_tenant(slug="demo", name="Demo architects")
    chosen = _kept_password("demo_admin_password")
    admin, created = User.objects.get_or_create(
        username="admin", defaults={"is_staff": True, "is_superuser": True, "first_name": "Demo", "last_name": "Admin"}
    )
    if created:
        admin.set_password(chosen)
        admin.save()
    if not Membership.objects.for_tenant(tenant).filter(user=admin).exists():
        services.add_member(tenant, user=admin, role=Role.OWNER, by=None)
    if not Integration.objects.for_tenant(tenant).filter(integration_id=CODES).exists():
        flow_services.save_integration(tenant, integration_id=CODES, fields=INTEGRATION, create=True, by=admin)
    if flow_queries.flow_of(tenant, PERMIT_DESK) is None:  # what somebody has edited since is left alone
        flow_services.import_flow(tenant, document=PERMIT_DESK, by=admin)
        flow_services.publish(tenant, flow_id="permit_desk", by=admin, note="Demo")
    products.prepare(tenant, admin)
    if flow_queries.flow_of(tenant, products.PART_FINDER) is None:
        flow_services.import_flow(tenant, document=products.PART_FINDER, by=admin)
        flow_services.publish(tenant, flow_id=products.CATALOGUE, by=admin, note="Demo")
    return chosen if admin.check_password(chosen) else "(as you changed it)", _api_key(tenant, admin)


def prepare_building(say: Callable[[str], None]) -> Building:
    """The law, the project and its building, and the second person who may approve waivers."""
    tenant, admin = Tenant.objects.get(slug="demo"), User.objects.get(username="admin")
    building.official_of(tenant, _kept_password("demo_official_password"), services.add_member)
    return building.prepare(tenant, tenancy_queries.principal_of_user(admin, tenant), say)


def _kept_password(name: str) -> str:
    return _kept(name, lambda: secrets.token_urlsafe(12))


def chat_page() -> str:
    """The path of the demo's public chat."""
    tenant = Tenant.objects.get(slug="demo")
    here = WebChannel.objects.for_tenant(tenant).order_by("created_at").first()
    if here is None:
        fields = {"name": "Permit desk", "flow_id": "permit_desk", "greeting": "Ask about stairs, doors and ramps, or for a person."}
        here = channels.save(tenant, fields=fields, by=None)
    return reverse("chat", args=(here.public_id,))


def _api_key(tenant: Tenant, admin: User) -> str:
    def make() -> str:
        _, secret = services.create_api_key(tenant, name="Demo", scopes=KEY_SCOPES, by=admin)
        return str(secret)

    kept = _kept("demo_api_key", make)
    row = ApiKey.objects.for_tenant(tenant).filter(prefix=kept.split("_")[1], revoked_at=None).first()
    usable = row is not None and set(KEY_SCOPES) <= set(row.scopes)
    return kept if usable else _kept("demo_api_key", make, renew=True)


def _kept(name: str, make: Any, *, renew: bool = False) -> str:
    path = settings.STATE_DIR / name
    if renew or not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return str(path.read_text())


@contextlib.contextmanager
def serving(port: int) -> Iterator[Callable[[], None]]:
    """The real server, as a process of its own; gives what waits until it answers."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--no-migrate", "--port", str(port)], cwd=settings.BASE_DIR, stderr=subprocess.PIPE, text=True
    )

    def ready() -> None:
        _wait_until_ready(port, process)
        threading.Thread(target=_pass_on, args=(process,), daemon=True).start()

    try:
        yield ready
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)


def _pass_on(process: "subprocess.Popen[str]") -> None:
    for line in process.stderr or ():
        sys.stderr.write(line)


def _wait_until_ready(port: int, process: "subprocess.Popen[str]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise CommandError(f"The server ended at once:\n{(process.stderr.read() if process.stderr else '')[-1500:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            return
        time.sleep(0.1)
    raise CommandError("The server did not become ready in 30 s.")


def wait_for_signal() -> None:
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    sys.stdout.write("\nServing; Ctrl-C stops.\n")
    sys.stdout.flush()
    done.wait()


class Story:
    """One scripted conversation: one client talks over REST while a second one watches over a WebSocket."""

    def __init__(self, command: Command, chat: Chat, locale: str, title: str) -> None:
        self._say, self._chat, self._locale, self._title = command._say, chat, locale, title
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()

    def tell(self, lines: tuple[str, ...]) -> None:
        self._say(f"\n── {self._title} ({self._locale}) " + "─" * 40)
        answer = self._chat.start("permit_desk", locale=self._locale, user_id="demo-user", user_profile={"name": "Ada"})
        self._conversation = answer["conversation_id"]
        threading.Thread(target=self._watch, daemon=True).start()
        self._show(answer)
        for line in lines:
            self._say(f"you  > {line}")
            self._show(self._chat.say(self._conversation, line))
        facts = self._chat.state(self._conversation)
        self._say(f"     state {facts['current_state']}, slots {facts['slots']}")

    def _watch(self) -> None:
        for event in self._chat.watch(self._conversation, timeout=20):
            self._events.put(event)

    def _show(self, answer: dict[str, Any]) -> None:
        turn = self._chat.turn(self._conversation, answer["turn"]["number"])
        for line in trace_lines(turn["trace"]):
            self._say(f"       {line}")
        for message in answer["response"].get("messages", [answer["response"]]):
            self._say(f"desk < {message['text']}")
        seen = self._drain(self._chat.state(self._conversation)["last_seq"])
        if seen:
            self._say(f"       the watcher saw over its WebSocket: {', '.join(seen)}")

    def _drain(self, until: int) -> list[str]:
        seen = []
        with contextlib.suppress(queue.Empty):
            while True:
                event = self._events.get(timeout=3)
                seen.append(f"#{event['seq']} {event['kind']}")
                if event["seq"] >= until:
                    break
        return seen


def trace_lines(trace: list[dict[str, Any]]) -> Iterator[str]:
    """Why each transition was or was not taken, a line each."""
    for entry in trace:
        if "condition" in entry:
            mark = "→" if entry.get("taken") else "·"
            yield f"{mark} {entry.get('state')} [{entry.get('condition')}] {entry.get('target', '')}: {entry.get('why', '')}"
