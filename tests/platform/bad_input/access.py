"""Bad credentials, and bad requests about members, keys, issuers and the tenant."""

from tests.platform.bad_input.row import Bad
from tests.platform.bad_input.talk import HELLO, SAY

SCHEMA, REFUSED = "SCHEMA_ERROR", "VALIDATION_ERROR"
WHO = "UNAUTHENTICATED"
MAY_NOT = "PERMISSION_DENIED"
STRANGERS = (
    "nobody", "empty", "two words", "basic", "garbage", "dots", "cut key", "unknown key", "key without secret", "foreign letters", "very long",
    "expired", "revoked", "suspended", "jwt expired", "jwt of tomorrow", "jwt for others", "jwt of strangers", "jwt without subject",
    "jwt without end", "jwt of a lost key", "jwt by hmac", "jwt unsigned",
)  # fmt: skip
KEY = {"name": "ci", "scopes": ["flows:read"]}
ISSUER = {"issuer": "https://id.example.com", "audience": "mcp", "jwks_url": "https://id.example.com/jwks"}

ROWS = [
    *(Bad(f"credential: {who}", "GET flows", None, 401, WHO, by=who) for who in STRANGERS),
    *(Bad(f"credential: {who}", SAY, HELLO, 401, WHO, by=who) for who in STRANGERS),
    # credentials that are good for something else
    Bad("wrong scope", "GET flows", None, 403, MAY_NOT, by="talker"),
    Bad("wrong scope for a message", SAY, HELLO, 403, MAY_NOT, by="flow reader"),
    Bad("wrong scope for a change", "PATCH flows/greeting", {"name": "Mine"}, 403, MAY_NOT, by="flow reader"),
    Bad("wrong scope for publishing", "POST flows/greeting/publish", {}, 403, MAY_NOT, by="flow writer"),
    Bad("JWT without roles", "GET flows", None, 403, MAY_NOT, by="jwt without roles"),
    Bad("JWT with a role that is none", SAY, HELLO, 403, MAY_NOT, by="jwt of a made-up role"),
    # the tenant and its members
    Bad("unknown setting", "PATCH tenant", {"settings": {"colour": "red"}}, 400, REFUSED, "$.settings.colour"),
    Bad("setting of the wrong value", "PATCH tenant", {"settings": {"ended_conversation": "explode"}}, 400, REFUSED, "$.settings.ended_conversation"),
    Bad("settings are a list", "PATCH tenant", {"settings": []}, 400, SCHEMA, "$.settings"),
    Bad("the slug does not change", "PATCH tenant", {"slug": "neighbour"}, 400, SCHEMA, "$.slug"),
    Bad("name of the tenant is too long", "PATCH tenant", {"name": "n" * 201}, 400, SCHEMA, "$.name"),
    Bad("unknown role", "POST members", {"username": "eve", "role": "emperor"}, 400, SCHEMA, "$.role"),
    Bad("user name with a space", "POST members", {"username": "eve x", "role": "viewer"}, 400, SCHEMA, "$.username"),
    Bad("no user name", "POST members", {"role": "viewer"}, 400, SCHEMA, "$.username"),
    Bad("bad e-mail address", "POST members", {"username": "eve", "role": "viewer", "email": "eve"}, 400, SCHEMA, "$.email"),
    Bad("member of somebody else", "PATCH members/{their_member}", {"role": "viewer"}, 404, "NOT_FOUND"),
    Bad("member beyond all bounds", "GET members/99999999999999999999999", None, 404, "NOT_FOUND"),
    Bad("the last owner leaves", "DELETE members/{member}", None, 409, "LAST_OWNER"),
    Bad("the last owner steps down", "PATCH members/{member}", {"role": "viewer"}, 409, "LAST_OWNER"),
    Bad("members of an unknown role", "GET members?role=emperor", None, 400, SCHEMA, "$.role"),
    # keys and issuers
    Bad("unknown scope", "POST api-keys", {**KEY, "scopes": ["flows:read", "everything"]}, 400, SCHEMA, "$.scopes[1]"),
    Bad("no scopes", "POST api-keys", {**KEY, "scopes": []}, 400, SCHEMA, "$.scopes"),
    Bad("ends in the past", "POST api-keys", {**KEY, "expires_at": "2001-01-01T00:00:00Z"}, 400, REFUSED, "$.expires_at"),
    Bad("ends on no day", "POST api-keys", {**KEY, "expires_at": "2027-02-30"}, 400, SCHEMA, "$.expires_at"),
    Bad("more than one has", "POST api-keys", {**KEY, "scopes": ["flows:publish"]}, 403, "CANNOT_GRANT", by="key manager"),
    Bad("rotates a key of somebody else", "POST api-keys/{their_key}/rotate", {}, 404, "NOT_FOUND"),
    Bad("revokes a key of somebody else", "POST api-keys/{their_key}/revoke", None, 404, "NOT_FOUND"),
    Bad("overlap of less than nothing", "POST api-keys/{key}/rotate", {"overlap_seconds": -1}, 400, SCHEMA, "$.overlap_seconds"),
    Bad("overlap of a year", "POST api-keys/{key}/rotate", {"overlap_seconds": 31_536_000}, 400, SCHEMA, "$.overlap_seconds"),
    Bad("key id is no UUID", "GET api-keys/1", None, 404, "NOT_FOUND"),
    Bad("symmetric algorithm", "POST issuers", {**ISSUER, "algorithms": ["HS256"]}, 400, SCHEMA, "$.algorithms[0]"),
    Bad("no signature at all", "POST issuers", {**ISSUER, "algorithms": ["none"]}, 400, SCHEMA, "$.algorithms[0]"),
    Bad("keys without encryption", "POST issuers", {**ISSUER, "jwks_url": "http://id.example.com/jwks"}, 400, REFUSED, "$.jwks_url"),
    Bad("keys from a file", "POST issuers", {**ISSUER, "jwks_url": "file:///etc/passwd"}, 400, SCHEMA, "$.jwks_url"),
    Bad("issuer that is not there", "PATCH issuers/999999", {"is_active": False}, 404, "NOT_FOUND"),
    Bad("issuer is neither on nor off", "PATCH issuers/{issuer}", {"is_active": "maybe"}, 400, SCHEMA, "$.is_active"),
    # the audit
    Bad("audit since no moment", "GET audit?since=lately", None, 400, SCHEMA, "$.since"),
    Bad("audit without the permission", "GET audit", None, 403, MAY_NOT, by="flow writer"),
]
