"""The statements of one turn as a pgbench script, made from the store's own SQL: `python -m benchmarks.statements FLOW`.

Only what pgbench cannot know is replaced: ids are drawn, and the guard on the revision (which pgbench cannot carry from the first statement
to the second) always holds. The payloads are those of a real turn of the benchmark's flow.
"""

import json
import sys
import uuid
from collections.abc import Iterator

import django

django.setup()

from conversations import services  # noqa: E402  Django first
from conversations.models import Conversation, Turn  # noqa: E402
from conversations.store.reading import READ  # noqa: E402
from conversations.store.writing import statement  # noqa: E402
from mcp_platform.tenancy import scope  # noqa: E402
from mcp_platform.tenancy.models import Tenant  # noqa: E402

CONVERSATIONS = 1000


def main() -> None:
    with scope.platform_scope():
        tenant = Tenant.objects.get(slug="bench")
        sample = _sample(tenant, sys.argv[1])
        _copy(sample)
        print(_script(sample))


def _sample(tenant: Tenant, flow: str) -> Turn:
    """A real turn: the first answer of the benchmark's conversation."""
    started = services.start(tenant, flow_id=flow, actor="system")
    services.process_message(tenant, conversation_id=started.conversation_id, content={"type": "text", "text": "2"}, client_message_id="sample")
    return Turn.objects.for_tenant(tenant).get(conversation_id=started.conversation_id, client_message_id="sample")


def _copy(sample: Turn) -> None:
    """Conversations for pgbench to write to, with ids that its script can compute."""
    template = sample.conversation
    fields = {field.attname: getattr(template, field.attname) for field in Conversation._meta.concrete_fields if field.attname != "id"}
    Conversation.objects.bulk_create(Conversation(**{**fields, "id": uuid.UUID(int=number)}) for number in range(1, CONVERSATIONS + 1))


def _script(sample: Turn) -> str:
    conversation = "('00000000-0000-0000-0000-' || lpad(to_hex(:c::bigint), 12, '0'))::uuid"
    read = _fill(READ, iter(["'none-' || :m::text", conversation, _text(str(sample.tenant_id))]))
    write = statement(False, False, True, *[False] * 6)  # events, and none of the other parts
    save = _fill(write, _values(sample, conversation)).replace("AND rev = -1", "AND rev >= 0")
    draws = f"\\set c random(1, {CONVERSATIONS})\n\\set m random(1, 2000000000)\n"
    return f"{draws}{_one_line(read)};\n{_one_line(save)};\n"


def _values(sample: Turn, conversation: str) -> Iterator[str]:
    """The parameters of the store's statement, in its order."""
    row = sample.conversation
    yield from (_text(str(row.version_id)), _text(row.flow_key), _text(row.locale), _text(row.status), _text(row.current_state))
    yield from (_json(row.snapshot), "''", "1", "1", "0", "now()", conversation, "-1")
    yield from (
        "gen_random_uuid()",
        _text(str(sample.tenant_id)) + "::uuid",
        conversation,
        ":m::int",
        "'message'",
        "'m-' || :m::text",
        _text(sample.request_sha256),
    )
    yield from (_json(sample.request), "'done'", _json(sample.reply), _json(sample.trace), "NULL", "0", "now()", "now()")
    yield from (_text(str(sample.tenant_id)), conversation, _text(str(sample.id)), "now()", _events(sample))


def _events(sample: Turn) -> str:
    """Events with sequence numbers that do not collide: they are drawn with the turn."""
    rows = [
        f"jsonb_build_object('seq', :m::bigint % 100000000 * 16 + {place}, 'kind', {_text(event.kind)}, 'data', {_json(event.data)}::jsonb)"
        for place, event in enumerate(sample.events.all())
    ]
    return f"jsonb_build_array({', '.join(rows)})"


def _fill(sql: str, values: Iterator[str]) -> str:
    parts = sql.split("%s")
    return "".join(part + value for part, value in zip(parts, [*(next(values) for _ in parts[1:]), ""], strict=True))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _json(value: object) -> str:
    # ": " keeps pgbench from taking ":name" for one of its variables.
    return _text(json.dumps(value, separators=(", ", ": ")))


def _one_line(sql: str) -> str:
    return " ".join(sql.split())


if __name__ == "__main__":
    main()
