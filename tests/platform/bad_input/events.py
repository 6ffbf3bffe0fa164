"""Bad endpoints, deliveries and types of events, and numbers that cannot be asked for."""

from tests.platform.bad_input.row import Bad

SCHEMA = "SCHEMA_ERROR"
VALIDATION = "VALIDATION_ERROR"
NOBODY = "00000000-0000-4000-8000-000000000000"
ADD = "POST event-endpoints"
HOOK = {"name": "hook", "url": "https://crm.example.com/hooks"}

ROWS = [
    Bad("endpoint is a list", ADD, [], 400, SCHEMA, "$"),
    Bad("endpoint without a name", ADD, {"url": "https://crm.example.com"}, 400, SCHEMA, "$.name"),
    Bad("endpoint with a member of nobody", ADD, {**HOOK, "secret": "whsec_x"}, 400, SCHEMA, "$.secret"),
    Bad("endpoint of a made-up kind", ADD, {**HOOK, "kind": "pigeon"}, 400, SCHEMA, "$.kind"),
    Bad("endpoint of the platform's kind", ADD, {**HOOK, "kind": "analytics"}, 400, SCHEMA, "$.kind"),
    Bad("endpoint without an address", ADD, {"name": "hook"}, 400, VALIDATION, "$.url"),
    Bad("endpoint in the clear", ADD, {**HOOK, "url": "http://crm.example.com"}, 400, VALIDATION, "$.url"),
    Bad("endpoint with a password", ADD, {**HOOK, "url": "https://a:b@crm.example.com"}, 400, VALIDATION, "$.url"),
    Bad("endpoint that is a file", ADD, {**HOOK, "url": "file:///etc/passwd"}, 400, VALIDATION, "$.url"),
    Bad("endpoint with a port of nobody", ADD, {**HOOK, "url": "https://crm.example.com:99999/x"}, 400, VALIDATION, "$.url"),
    Bad("endpoint that wants what never happens", ADD, {**HOOK, "types": ["turn.lost"]}, 400, VALIDATION, "$.types[0]"),
    Bad("endpoint whose types are a text", ADD, {**HOOK, "types": "turn.finished"}, 400, SCHEMA, "$.types"),
    Bad("endpoint with our own header", ADD, {**HOOK, "headers": {"Webhook-Id": "1"}}, 400, VALIDATION, "$.headers.Webhook-Id"),
    Bad("endpoint with a header of two lines", ADD, {**HOOK, "headers": {"X-A": "b\nc"}}, 400, VALIDATION, "$.headers.X-A"),
    Bad("endpoint that has no time", ADD, {**HOOK, "timeout_ms": 1}, 400, SCHEMA, "$.timeout_ms"),
    Bad("endpoint by somebody who may not", ADD, HOOK, 403, "PERMISSION_DENIED", by="flow writer"),
    Bad("no such endpoint", f"GET event-endpoints/{NOBODY}", None, 404, "ENDPOINT_NOT_FOUND"),
    Bad("a change of no such endpoint", f"PATCH event-endpoints/{NOBODY}", {"enabled": True}, 404, "ENDPOINT_NOT_FOUND"),
    Bad("a test of no such endpoint", f"POST event-endpoints/{NOBODY}/test", None, 404, "ENDPOINT_NOT_FOUND"),
    Bad("an overlap of years", f"POST event-endpoints/{NOBODY}/rotate-secret", {"overlap_seconds": 10**9}, 400, SCHEMA, "$.overlap_seconds"),
    Bad("again since never", f"POST event-endpoints/{NOBODY}/redeliver", {"since": "yesterday"}, 400, SCHEMA, "$.since"),
    Bad("no such delivery", f"GET event-deliveries/{NOBODY}", None, 404, "DELIVERY_NOT_FOUND"),
    Bad("again no such delivery", f"POST event-deliveries/{NOBODY}/redeliver", None, 404, "DELIVERY_NOT_FOUND"),
    Bad("deliveries of a made-up status", "GET event-deliveries?status=lost", None, 400, SCHEMA, "$.status"),
    Bad("numbers of no flow", "GET analytics/flows/nobody", None, 404, "FLOW_NOT_FOUND"),
    Bad("numbers since a word", "GET analytics/flows/echo?since=soon", None, 400, SCHEMA, "?since"),
    Bad("numbers of days that run backwards", "GET analytics/flows/echo/days?since=2026-02-01&until=2026-01-01", None, 400, SCHEMA, "?since"),
    Bad("numbers of ages", "GET analytics/flows/echo/funnel?since=2001-01-01", None, 400, SCHEMA, "?since"),
    Bad("numbers of a version that is a word", "GET analytics/flows/echo/versions?version=new", None, 400, SCHEMA, "?version"),
    Bad("numbers of all flows until never", "GET analytics/flows?until=9999-99-99", None, 400, SCHEMA, "?until"),
    Bad("numbers by somebody who may not", "GET analytics/flows/echo", None, 403, "PERMISSION_DENIED", by="flow writer"),
]
