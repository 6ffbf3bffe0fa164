"""Bad chat pages."""

from tests.platform.bad_input.row import Bad

SCHEMA, REFUSED = "SCHEMA_ERROR", "VALIDATION_ERROR"
NOBODY = "00000000-0000-4000-8000-000000000000"
OPEN, CHANGE = "POST web-chats", "PATCH web-chats/{chat}"
GOOD = {"name": "Chat", "flow_id": "echo"}
ANY = {"If-Match": "*"}

ROWS = [
    Bad("chat that is not there", f"GET web-chats/{NOBODY}", None, 404, "CHANNEL_NOT_FOUND"),
    Bad("chat of somebody else", "GET web-chats/{their_chat}", None, 404, "CHANNEL_NOT_FOUND"),
    Bad("changes the chat of somebody else", "PATCH web-chats/{their_chat}", {"name": "mine"}, 404, "CHANNEL_NOT_FOUND", headers=ANY),
    Bad("takes the chat of somebody else away", "DELETE web-chats/{their_chat}", None, 404, "CHANNEL_NOT_FOUND", headers=ANY),
    Bad("chats by a page that is no number", "GET web-chats?limit=many", None, 400, SCHEMA, "?limit"),
    Bad("chat without anything", OPEN, {}, 400, SCHEMA, "$.flow_id"),
    Bad("chat with a typing error", OPEN, {**GOOD, "color": "#ffffff"}, 400, SCHEMA, "$.color"),
    Bad("chat that chooses its address", OPEN, {**GOOD, "public_id": "mine"}, 400, SCHEMA, "$.public_id"),
    Bad("chat of a made-up flow", OPEN, {**GOOD, "flow_id": "nobody"}, 400, REFUSED, "$.flow_id"),
    Bad("chat of an archived flow", OPEN, {**GOOD, "flow_id": "archived"}, 400, REFUSED, "$.flow_id"),
    Bad("chat of the flow of somebody else", OPEN, {**GOOD, "flow_id": "theirs"}, 400, REFUSED, "$.flow_id"),
    Bad("chat in the environment of somebody else", OPEN, {**GOOD, "environment": "abroad"}, 400, REFUSED, "$.environment"),
    Bad("chat in a made-up colour", OPEN, {**GOOD, "colour": "red"}, 400, REFUSED, "$.colour"),
    Bad("chat in no language", OPEN, {**GOOD, "locale": "7"}, 400, REFUSED, "$.locale"),
    Bad("chat with origins in a text", OPEN, {**GOOD, "allowed_origins": "https://example.org"}, 400, SCHEMA, "$.allowed_origins"),
    Bad("chat with a path for an origin", OPEN, {**GOOD, "allowed_origins": ["https://example.org/a"]}, 400, REFUSED, "$.allowed_origins[0]"),
    Bad("chat with a header for an origin", OPEN, {**GOOD, "allowed_origins": ["https://a.org; script-src *"]}, 400, REFUSED, "$.allowed_origins[0]"),
    Bad("chat with a novel for a greeting", OPEN, {**GOOD, "greeting": "x" * 301}, 400, SCHEMA, "$.greeting"),
    Bad("opens a chat without the permission", OPEN, GOOD, 403, "PERMISSION_DENIED", by="talker"),
    Bad("changes a chat unread", CHANGE, {"name": "new"}, 428, "PRECONDITION_REQUIRED"),
    Bad("changes a chat that has changed", CHANGE, {"name": "new"}, 412, "STALE_ETAG", headers={"If-Match": '"2020-01-01T00:00:00+00:00"'}),
    Bad("changes a chat into nothing", CHANGE, {"name": " "}, 400, SCHEMA, "$.name", headers=ANY),
    Bad("takes a chat away unread", "DELETE web-chats/{chat}", None, 428, "PRECONDITION_REQUIRED"),
]
