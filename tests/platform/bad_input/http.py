"""Bad methods, content types, addresses and pages: what HTTP itself can get wrong."""

from tests.platform.bad_input.row import Bad
from tests.platform.bad_input.talk import HELLO, SAY, SCHEMA, START

MEDIA = "UNSUPPORTED_MEDIA_TYPE"
METHOD = "METHOD_NOT_ALLOWED"

ROWS = [
    Bad("plain text", SAY, HELLO, 415, MEDIA, content_type="text/plain"),
    Bad("a form", SAY, b"content=hello", 415, MEDIA, content_type="application/x-www-form-urlencoded"),
    Bad("a form with parts", SAY, b"--x\r\n\r\n--x--", 415, MEDIA, content_type="multipart/form-data; boundary=x"),
    Bad("no content type", START, {"flow_id": "echo"}, 415, MEDIA, content_type=""),
    Bad("XML", "POST flows", b"<flow/>", 415, MEDIA, content_type="application/xml"),
    Bad("a form for a flow", "POST flows", b"flow_id=x", 415, MEDIA, content_type="application/x-www-form-urlencoded"),
    Bad("wants a page", "GET flows", None, 406, "NOT_ACCEPTABLE", headers={"Accept": "text/html"}),
    Bad("wants another form of the same", "GET flows?format=xml", None, 404, "NOT_FOUND"),
    Bad("PUT of a conversation", "PUT conversations/{conversation}", HELLO, 405, METHOD),
    Bad("PUT of messages", "PUT conversations/{conversation}/messages", HELLO, 405, METHOD),
    Bad("DELETE of all conversations", "DELETE conversations", None, 405, METHOD),
    Bad("DELETE of all flows", "DELETE flows", None, 405, METHOD),
    Bad("PATCH of a version", "PATCH flows/greeting/versions/1", {"note": "x"}, 405, METHOD),
    Bad("DELETE of the audit", "DELETE audit", None, 405, METHOD),
    Bad("a method of nobody", "BREW flows", None, 405, METHOD),
    Bad("no such address", "GET flow", None, 404, "NOT_FOUND"),
    Bad("a slash too many", "POST conversations/", {"flow_id": "echo"}, 404, "NOT_FOUND"),
    Bad("null character in an address", "GET flows/gre%00eting", None, 404, "NOT_FOUND"),
    Bad("null character in the name of an environment", "DELETE environments/sta%00ging", None, 404, "NOT_FOUND"),
    Bad("null character in the name of an integration", "GET integrations/c%00rm", None, 404, "NOT_FOUND"),
    Bad("half a surrogate pair in an address", "GET flows/%ED%A0%80", None, 404, "FLOW_NOT_FOUND"),
    Bad("an address that climbs", "GET flows/..%2F..%2Fetc", None, 404, "NOT_FOUND"),
    Bad("an address of ten thousand letters", f"GET flows/{'x' * 10_000}", None, 404, "FLOW_NOT_FOUND"),
    Bad("a host of somebody else", "GET flows", None, 400, "VALIDATION_ERROR", headers={"Host": "evil.example.com"}),
    Bad("limit is a word", "GET flows?limit=many", None, 400, SCHEMA, "?limit"),
    Bad("limit below nothing", "GET flows?limit=-1", None, 400, SCHEMA, "?limit"),
    Bad("limit of nothing", "GET conversations?limit=0", None, 400, SCHEMA, "?limit"),
    Bad("offset is a word", "GET audit?offset=later", None, 400, SCHEMA, "?offset"),
    Bad("offset below nothing", "GET conversations/{conversation}/messages?offset=-5", None, 400, SCHEMA, "?offset"),
]
