"""Bad requests about OAuth clients, and about who has let them in."""

from tests.platform.bad_input.row import Bad

SCHEMA, REFUSED = "SCHEMA_ERROR", "VALIDATION_ERROR"
APP = {"name": "App", "redirect_uris": ["https://app.example.com/back"]}
NEW = "POST oauth-clients"

ROWS = [
    Bad("client without a name", NEW, {"redirect_uris": []}, 400, SCHEMA, "$.name"),
    Bad("client of a kind that is none", NEW, {**APP, "acts_for": "the king"}, 400, SCHEMA, "$.acts_for"),
    Bad("redirect addresses are a text", NEW, {**APP, "redirect_uris": "https://app.example.com"}, 400, SCHEMA, "$.redirect_uris"),
    Bad("no redirect address", NEW, {"name": "App"}, 400, REFUSED, "$.redirect_uris"),
    Bad("redirect without encryption", NEW, {**APP, "redirect_uris": ["http://app.example.com"]}, 400, REFUSED, "$.redirect_uris[0]"),
    Bad("redirect to a script", NEW, {**APP, "redirect_uris": ["javascript:alert(1)"]}, 400, REFUSED, "$.redirect_uris[0]"),
    Bad("redirect with a wildcard", NEW, {**APP, "redirect_uris": ["https://*.example.com/back"]}, 400, REFUSED, "$.redirect_uris[0]"),
    Bad("scope that nobody knows", NEW, {**APP, "scopes": ["everything"]}, 400, REFUSED, "$.scopes"),
    Bad("scope that no client gets", NEW, {**APP, "scopes": ["members:manage"]}, 400, REFUSED, "$.scopes"),
    Bad("acts for itself with nothing to do", NEW, {"name": "App", "acts_for": "itself"}, 400, REFUSED, "$.scopes"),
    Bad("client with a member of its own", NEW, {**APP, "client_secret": "mine"}, 400, SCHEMA, "$.client_secret"),
    Bad("client that is not there", "GET oauth-clients/999999", None, 404, "OAUTH_CLIENT_NOT_FOUND"),
    Bad("client beyond all bounds", "GET oauth-clients/99999999999999999999999", None, 404, "OAUTH_CLIENT_NOT_FOUND"),
    Bad("client id is a word", "GET oauth-clients/mine", None, 404, "NOT_FOUND"),
    Bad("changes a client that is not there", "PATCH oauth-clients/999999", {"name": "x"}, 404, "OAUTH_CLIENT_NOT_FOUND"),
    Bad("new secret of one that is not there", "POST oauth-clients/999999/rotate-secret", None, 404, "OAUTH_CLIENT_NOT_FOUND"),
    Bad("takes back what was never given", "DELETE oauth-authorizations/999999", None, 404, "OAUTH_AUTHORIZATION_NOT_FOUND"),
]
