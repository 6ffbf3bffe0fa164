"""What machines can do with conversations: the same as over REST, through the same services."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from conversations import services, tools
from conversations.errors import ConversationNotFound, MessageIdReused
from conversations.models import Conversation, Turn
from mcp_platform.errors import NotFound, PlatformError
from mcp_platform.metadata import services as product_metadata
from mcp_platform.rest import SchemaError
from mcp_platform.tenancy.models import Tenant
from mcp_platform.toolkit import Prompt, ResourceTemplate, Tool
from tests import factories
from tests.factories import TenantFactory, greeting
from tests.metadata.shop import shop, without

BY_NAME: Mapping[str, Tool] = {one.name: one for one in tools.TOOLS if isinstance(one, Tool)}
PROMPTS: Mapping[str, Prompt] = {one.name: one for one in tools.TOOLS if isinstance(one, Prompt)}
TRANSCRIPT = next(one for one in tools.TOOLS if isinstance(one, ResourceTemplate))
BUYING: dict[str, Any] = {
    "flow_id": "buying",
    "name": "Buying",
    "initial_state": "ask",
    "slots": {"item": {"type": "product"}},
    "states": {
        "ask": {
            "type": "slot_filling",
            "config": {"required_slots": ["item"], "prompts": {"item": "What do you want?"}},
            "transitions": [{"condition": "slot_filled", "target_state": "done"}],
        },
        "done": {
            "type": "end",
            "config": {"response_templates": {"default": "{{ labels.item }}: {{ columns['sales amount'] }}"}},
        },
    },
}


@pytest.fixture
def tenant(db: None) -> Tenant:
    made = TenantFactory.create()
    factories.published(made, greeting())
    return made


def call(tenant: Tenant, name: str, arguments: dict[str, Any], actor: str = "key:abc") -> Any:
    tool = BY_NAME[name]
    Draft202012Validator(tool.input_schema).validate(arguments)
    found = tool.call(tenant, arguments, actor)
    Draft202012Validator(tool.output_schema).validate(found)
    return found


def test_a_whole_conversation(tenant: Tenant) -> None:
    assert [one["flow_id"] for one in call(tenant, "conversations.flows", {})["flows"]] == ["greeting"]
    begun = call(tenant, "conversations.start", {"flow_id": "greeting", "client_message_id": "s-1"})
    assert (begun["status"], begun["text"]) == ("waiting", "What is your name?")
    again = call(tenant, "conversations.start", {"flow_id": "greeting", "client_message_id": "s-1"})
    assert again == begun
    held = Conversation.objects.get(pk=begun["conversation_id"])
    assert (held.channel, held.user_ref) == ("mcp", "key:abc")
    said = {"conversation_id": begun["conversation_id"], "content": "Ada", "client_message_id": "m-1"}
    ended = call(tenant, "conversations.send", said)
    assert ended["status"] == "ended"
    assert "Ada" in ended["text"]
    assert call(tenant, "conversations.send", said) == ended, "the same id says it once"
    assert Turn.objects.filter(conversation=held, kind=Turn.Kind.MESSAGE).count() == 1
    with pytest.raises(MessageIdReused):
        call(tenant, "conversations.send", {**said, "content": "Bob"})
    read = call(tenant, "conversations.read", {"conversation_id": begun["conversation_id"]})
    assert [line["by"] for line in read["lines"] if line["by"] in ("user", "bot")] == ["bot", "user", "bot"]
    assert (read["slots"], read["more"]) == ({"name": "Ada"}, False)
    first = call(tenant, "conversations.read", {"conversation_id": begun["conversation_id"], "limit": 1})
    rest = call(tenant, "conversations.read", {"conversation_id": begun["conversation_id"], "after": first["lines"][-1]["seq"]})
    assert first["more"] is True
    assert [*first["lines"], *rest["lines"]] == read["lines"]
    assert TRANSCRIPT.read(tenant, {"conversation_id": begun["conversation_id"]}) == read


def test_what_is_offered_can_be_pressed(tenant: Tenant) -> None:
    product_metadata.import_document(tenant, document_=shop(), by=None)
    factories.published(tenant, BUYING)
    begun = call(tenant, "conversations.start", {"flow_id": "buying"})
    assert [one["label"] for one in begun["options"]] == ["Evening Suit", "Magic Wand Pro", "Top Hat", "Velvet Cape"]
    asked = call(tenant, "conversations.send", {"conversation_id": begun["conversation_id"], "content": "a costume"})
    assert asked["text"].startswith("Which one do you mean: Velvet Cape, Evening Suit?")
    pressed = call(tenant, "conversations.send", {"conversation_id": begun["conversation_id"], "content": asked["options"][1]["content"]})
    assert (pressed["status"], pressed["text"]) == ("ended", "Evening Suit: sales.total_amount")


def test_a_running_conversation_hears_the_metadata_that_is_live(tenant: Tenant) -> None:
    product_metadata.import_document(tenant, document_=without("cape"), by=None)
    factories.published(tenant, BUYING)
    began = services.start(tenant, flow_id="buying")

    def say(text: str) -> str:
        reply = services.process_message(tenant, conversation_id=began.conversation_id, content={"type": "text", "text": text}).reply
        return str(reply["response"]["messages"][0]["text"])

    assert say("the cloak") == "I don't know this product."
    product_metadata.import_document(tenant, document_=shop(), by=None)
    assert say("the cloak") == "Velvet Cape: sales.total_amount"


def test_a_stranger_finds_nothing(tenant: Tenant) -> None:
    begun = call(tenant, "conversations.start", {"flow_id": "greeting"})
    stranger = TenantFactory.create()
    for name, more in (("conversations.send", {"content": "x"}), ("conversations.read", {})):
        with pytest.raises(ConversationNotFound):
            call(stranger, name, {"conversation_id": begun["conversation_id"], **more})
    with pytest.raises(ConversationNotFound):
        TRANSCRIPT.read(stranger, {"conversation_id": begun["conversation_id"]})


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("conversations.start", {"flow_id": "no flow at all"}, SchemaError),
        ("conversations.start", {"flow_id": "nobody"}, NotFound),
        ("conversations.start", {"flow_id": "greeting", "client_message_id": "server:1"}, SchemaError),
        ("conversations.send", {"conversation_id": str(uuid4()), "content": {"type": "shout"}}, SchemaError),
        ("conversations.send", {"conversation_id": str(uuid4()), "content": "x"}, NotFound),
        ("conversations.read", {"conversation_id": "nobody"}, NotFound),
    ],
)
def test_what_is_wrong_is_refused(tenant: Tenant, name: str, arguments: dict[str, Any], kind: type[PlatformError]) -> None:
    with pytest.raises(kind):
        call(tenant, name, arguments)


@pytest.mark.parametrize("name", ["conversations.start", "conversations.send"])
def test_flows_do_not_talk_to_flows(tenant: Tenant, name: str) -> None:
    """Else a flow could start itself without end."""
    arguments = {"flow_id": "greeting"} if name == "conversations.start" else {"conversation_id": str(uuid4()), "content": "x"}
    with pytest.raises(tools.FlowsDoNotTalk):
        call(tenant, name, arguments, actor="integration:tools")
    assert not Conversation.objects.for_tenant(tenant).exists()


def test_prompts(tenant: Tenant) -> None:
    begun = call(tenant, "conversations.start", {"flow_id": "greeting"})
    (review,) = PROMPTS["review_conversation"].fill(tenant, {"conversation_id": begun["conversation_id"]})
    assert "What is your name?" in review.text
    (trial,) = PROMPTS["try_flow"].fill(tenant, {"flow_id": "greeting", "as": "a pirate"})
    assert "a pirate" in trial.text
    suggest = PROMPTS["try_flow"].arguments[0].complete
    assert suggest is not None
    assert (suggest(tenant, "gr"), suggest(tenant, "x")) == (["greeting"], [])
