"""Bad requests to the inbox."""

from tests.platform.bad_input.row import Bad

SCHEMA, REFUSED = "SCHEMA_ERROR", "VALIDATION_ERROR"
NOBODY = "00000000-0000-0000-0000-000000000000"
HERE = "inbox/handoffs/{handoff}"
CANNED = "POST inbox/canned-responses"

ROWS = [
    Bad("handoff that is not there", f"GET inbox/handoffs/{NOBODY}", None, 404, "HANDOFF_NOT_FOUND"),
    Bad("handoff of somebody else", "GET inbox/handoffs/{their_handoff}", None, 404, "HANDOFF_NOT_FOUND"),
    Bad("takes one of somebody else", "POST inbox/handoffs/{their_handoff}/take", {}, 404, "HANDOFF_NOT_FOUND"),
    Bad("handoff id is no UUID", "GET inbox/handoffs/7", None, 404, "NOT_FOUND"),
    Bad("handoffs of an unknown status", "GET inbox/handoffs?status=lost", None, 400, SCHEMA, "$.status"),
    Bad("takes with a typing error", f"POST {HERE}/take", {"client_mesage_id": "x"}, 400, SCHEMA, "$.client_mesage_id"),
    Bad("takes with a reserved message id", f"POST {HERE}/take", {"client_message_id": "server:1"}, 400, SCHEMA, "$.client_message_id"),
    Bad("answers what was not taken", f"POST {HERE}/reply", {"text": "hello"}, 409, "HANDOFF_NOT_YOURS"),
    Bad("answers without a text", f"POST {HERE}/reply", {}, 400, SCHEMA, "$.text"),
    Bad("answers with nothing", f"POST {HERE}/reply", {"text": "  "}, 400, SCHEMA, "$.text"),
    Bad("answers with a number", f"POST {HERE}/reply", {"text": ["a"]}, 400, SCHEMA, "$.text"),
    Bad("answers with a null character", f"POST {HERE}/reply", {"text": "a\x00b"}, 400, SCHEMA, "$.text"),
    Bad("answers too long", f"POST {HERE}/reply", {"text": "x" * 10_001}, 400, SCHEMA, "$.text"),
    Bad("answers without the permission", f"POST {HERE}/reply", {"text": "hello"}, 403, "PERMISSION_DENIED", by="talker"),
    Bad("transfers to nowhere", f"POST {HERE}/transfer", {}, 400, REFUSED, "$.queue"),
    Bad("transfers to two", f"POST {HERE}/transfer", {"queue": "a", "agent": "user:b"}, 400, REFUSED, "$.queue"),
    Bad("transfers to nobody", f"POST {HERE}/transfer", {"agent": "user:nobody"}, 400, REFUSED, "$.agent"),
    Bad("gives back what was not taken", f"POST {HERE}/resume", {}, 409, "HANDOFF_NOT_YOURS"),
    Bad("gives back with slots in a list", f"POST {HERE}/resume", {"slots": []}, 400, SCHEMA, "$.slots"),
    Bad("ends in words", f"POST {HERE}/end", {"completion": "all is well"}, 400, SCHEMA, "$.completion"),
    Bad("note without words", f"POST {HERE}/notes", {"text": ""}, 400, SCHEMA, "$.text"),
    Bad("hands over a conversation of somebody else", "POST conversations/{their_conversation}/handoff", {}, 404, "CONVERSATION_NOT_FOUND"),
    Bad("hands over what has ended", "POST conversations/{over}/handoff", {}, 409, "CONVERSATION_ENDED"),
    Bad("is neither here nor away", "PUT inbox/presence", {"status": "asleep"}, 400, SCHEMA, "$.status"),
    Bad("canned response without texts", CANNED, {"shortcut": "x", "texts": {}}, 400, SCHEMA, "$.texts"),
    Bad("canned response with a bad shortcut", CANNED, {"shortcut": "a b", "texts": {"en": "x"}}, 400, SCHEMA, "$.shortcut"),
    Bad("canned response in no language", CANNED, {"shortcut": "x", "texts": {"7": "x"}}, 400, SCHEMA, "$.texts.7"),
    Bad("canned response that is not there", "DELETE inbox/canned-responses/999999", None, 404, "NOT_FOUND"),
]
