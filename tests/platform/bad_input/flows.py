"""Bad definitions, bad pieces of definitions, bad releases, bad integrations."""

from typing import Any

from tests.factories import greeting
from tests.flows.test_integrations import CRM
from tests.platform.bad_input.row import Bad
from tests.playbook import ending, flow, response, to

SCHEMA, REFUSED, FAULTY, INVALID = "SCHEMA_ERROR", "VALIDATION_ERROR", "FLOW_PARSE_ERROR", "FLOW_INVALID"
ASKING = "$.states.ask"
MOVES, CONFIG = f"{ASKING}.transitions[0]", f"{ASKING}.config"
IMPORT = "POST flows/import"
DRAFT = "PUT flows/greeting/draft"
STATE = "PATCH states/{state}"
MOVE = "PATCH transitions/{transition}"
INTEGRATE = "POST integrations"
ANY = {"If-Match": "*"}
NOBODY = "00000000-0000-4000-8000-000000000000"
SIGNED = {"type": "hmac", "secret": "CRM_TOKEN"}
TO = {"condition": "any_input", "target_state": "x"}
DONE = ending("Bye.")


def one(state: Any, **more: Any) -> Any:
    """A new flow of one state and the end."""
    return flow("fresh", states={"ask": state, "done": DONE}, **more)


def state(kind: str, **config: Any) -> Any:
    return {"type": kind, "config": config, "transitions": [to("done")]}


def crm(**more: Any) -> Any:
    return {**CRM, "integration_id": "fresh", **more}


ASK = response("Well?", to("done"))

OWN = "PUT handlers"
GOES = {"on": "no_match", "mode": "goto", "target_state": "b"}
SAID = CONFIG + ".response_templates.default"
LINK = {"label": "A", "url": "https://a.example"}
UNSET = {"type": "clear_variable", "name": "x"}
UNDOING = response("Well?", to("done"), compensation=[UNSET])
LOOPING = {**ASK, "entry_actions": [{**UNSET, "for_each": {}}]}
ELEVEN = {"score": "a", "scale": 11}


def saying(message: Any) -> Any:
    return one({"type": "response", "config": {"response_templates": {"default": message}}, "transitions": [to("done")]})


ROWS = [
    # handlers of the tenant
    Bad("handlers that are a list", OWN, [], 400, SCHEMA, "$", headers=ANY),
    Bad("handler on the moon", OWN, {"global_handlers": {"a": {"on": "moon"}}}, 422, FAULTY, "$.global_handlers.a.on", headers=ANY),
    Bad("handler that goes to a state", OWN, {"global_handlers": {"a": GOES}}, 422, FAULTY, "$.global_handlers.a.mode", headers=ANY),
    Bad("handlers with a stale tag", OWN, {}, 412, "STALE_ETAG", headers={"If-Match": '"77"'}),
    # rich messages, loops and what takes things back
    Bad("too many buttons", IMPORT, saying({"buttons": ["a"] * 21}), 422, FAULTY, SAID + ".buttons"),
    Bad("a button without a label", IMPORT, saying({"buttons": [{"intent": "a"}]}), 422, FAULTY, SAID + ".buttons[0].label"),
    Bad("a button that does two things", IMPORT, saying({"buttons": [{**LINK, "text": "b"}]}), 422, FAULTY, SAID + ".buttons[0]"),
    Bad("undoing that sets a variable", IMPORT, one(UNDOING), 422, FAULTY, CONFIG + ".compensation[0].type"),
    Bad("a loop over nothing", IMPORT, one(LOOPING), 422, FAULTY, ASKING + ".entry_actions[0].for_each.items"),
    Bad("a rating of eleven points", IMPORT, one(state("slot_filling", required_slots=["a"], csat=ELEVEN)), 422, FAULTY, CONFIG + ".csat.scale"),
    # whole definitions
    Bad("a list", IMPORT, [greeting("fresh")], 422, FAULTY, "$"),
    Bad("nothing in it", IMPORT, {}, 422, FAULTY, "$.flow_id"),
    Bad("name with a slash", IMPORT, greeting("a/b"), 422, FAULTY, "$.flow_id"),
    Bad("no states", IMPORT, {**greeting("fresh"), "states": {}}, 422, FAULTY, "$.states"),
    Bad("states are a list", IMPORT, {**greeting("fresh"), "states": []}, 422, FAULTY, "$.states"),
    Bad("unknown member", IMPORT, {**greeting("fresh"), "colour": "red"}, 422, FAULTY, "$.colour"),
    Bad("unknown type of state", IMPORT, one({"type": "oracle"}), 422, FAULTY, ASKING + ".type"),
    Bad("type of state is a number", IMPORT, one({"type": 7}), 422, FAULTY, ASKING + ".type"),
    Bad("unknown member of a config", IMPORT, one(response("Well?", to("done"), colour="red")), 422, FAULTY, CONFIG + ".colour"),
    Bad("delay beyond its bound", IMPORT, one(response("Well?", to("done"), delay_ms=5001)), 422, FAULTY, CONFIG + ".delay_ms"),
    Bad("too many retries", IMPORT, one(state("slot_filling", required_slots=["a"], max_retries=6)), 422, FAULTY, CONFIG + ".max_retries"),
    Bad("threshold of two", IMPORT, one(state("intent", confidence_threshold=2)), 422, FAULTY, CONFIG + ".confidence_threshold"),
    Bad("timeout below its bound", IMPORT, one(state("integration", integration_id="crm", timeout_ms=99)), 422, FAULTY, CONFIG + ".timeout_ms"),
    Bad("unknown condition", IMPORT, one(response("Well?", to("done", "full_moon"))), 422, FAULTY, MOVES + ".condition"),
    Bad("no expression where one is needed", IMPORT, one(response("Well?", to("done", "expression"))), 422, FAULTY, MOVES + ".expression"),
    Bad("priority beyond its bound", IMPORT, one(response("Well?", to("done", priority=1001))), 422, FAULTY, MOVES + ".priority"),
    Bad("priority is a word", IMPORT, one(response("Well?", to("done", priority="high"))), 422, FAULTY, MOVES + ".priority"),
    Bad("priority beyond all bounds", IMPORT, one(response("Well?", to("done", priority=10**30))), 422, FAULTY, MOVES + ".priority"),
    Bad("unknown action", IMPORT, one({**ASK, "entry_actions": [{"type": "launch_rocket"}]}), 422, FAULTY, ASKING + ".entry_actions[0].type"),
    Bad("action without its text", IMPORT, one({**ASK, "exit_actions": [{"type": "send_message"}]}), 422, FAULTY, ASKING + ".exit_actions[0].text"),
    Bad("no duration", IMPORT, one(state("wait", timeout_ms="soon")), 422, FAULTY, CONFIG + ".timeout_ms"),
    Bad("name of a state with a space", IMPORT, flow("fresh", states={"an ask": ASK, "done": DONE}), 422, FAULTY, "$.states[\"an ask\"]"),
    Bad("unknown type of slot", IMPORT, one(ASK, slots={"size": {"type": "colour"}}), 422, FAULTY, "$.slots.size.type"),
    Bad("slot with crossed bounds", IMPORT, one(ASK, slots={"n": {"type": "integer", "minimum": 9, "maximum": 1}}), 422, FAULTY, "$.slots.n.minimum"),
    Bad("unknown handler", IMPORT, one(ASK, global_handlers={"h": {"on": "thunder"}}), 422, FAULTY, "$.global_handlers.h.on"),
    Bad("a description of one megabyte", IMPORT, {**greeting("fresh"), "description": "x" * 1_000_000}, 422, FAULTY, "$.description"),
    Bad("there is one already", IMPORT, greeting(), 409, "ALREADY_EXISTS"),
    Bad("the name is a word of the API", IMPORT, greeting("import"), 409, "ALREADY_EXISTS"),
    Bad("definition of another flow", DRAFT, greeting("other"), 422, FAULTY, "$.flow_id", headers=ANY),
    Bad("draft is null", DRAFT, b"null", 422, FAULTY, "$", headers=ANY),
    Bad("draft is no JSON", DRAFT, b"{", 400, SCHEMA, "$", headers=ANY),
    Bad("draft of more than one mebibyte", DRAFT, {"description": "x" * 1_100_000}, 413, "PAYLOAD_TOO_LARGE", headers=ANY),
    Bad("archived flow", "PUT flows/archived/draft", greeting("archived", name="New"), 409, "FLOW_ARCHIVED", headers=ANY),
    Bad("without If-Match", DRAFT, greeting(), 428, "PRECONDITION_REQUIRED"),
    Bad("stale ETag", DRAFT, greeting(), 412, "STALE_ETAG", headers={"If-Match": '"0"'}),
    Bad("ETag without quotes", DRAFT, greeting(), 412, "STALE_ETAG", headers={"If-Match": "1"}),
    Bad("ETag of nothing", DRAFT, greeting(), 412, "STALE_ETAG", headers={"If-Match": "((("}),
    Bad("flow of somebody else", "GET flows/theirs/draft", None, 404, "FLOW_NOT_FOUND"),
    Bad("saves a flow of somebody else", "PUT flows/theirs/draft", greeting("theirs"), 404, "FLOW_NOT_FOUND", headers=ANY),
    Bad("deletes a flow of somebody else", "DELETE flows/theirs", None, 404, "FLOW_NOT_FOUND", headers=ANY),
    # pieces
    Bad("no flow_id", "POST flows", {"name": "x"}, 400, REFUSED, "$.flow_id"),
    Bad("flow_id is a number", "POST flows", {"flow_id": 7}, 400, REFUSED, "$.flow_id"),
    Bad("flow_id with a space", "POST flows", {"flow_id": "a b"}, 422, FAULTY, "$.flow_id"),
    Bad("flow_id is taken", "POST flows", {"flow_id": "greeting"}, 409, "ALREADY_EXISTS"),
    Bad("creates with a typing error", "POST flows", {"flow_id": "fresh", "nmae": "x"}, 400, REFUSED, "$.nmae"),
    Bad("a flow is a text", "POST flows", b'"fresh"', 400, SCHEMA, "$"),
    Bad("changes an unknown field", "PATCH flows/greeting", {"rev": 7}, 400, REFUSED, "$.rev", headers=ANY),
    Bad("name is too long", "PATCH flows/greeting", {"name": "n" * 201}, 422, FAULTY, "$.name", headers=ANY),
    Bad("changes without If-Match", "PATCH flows/greeting", {"name": "New"}, 428, "PRECONDITION_REQUIRED"),
    Bad("deletes a published flow", "DELETE flows/greeting", None, 409, "FLOW_PUBLISHED", headers=ANY),
    Bad("state of an unknown flow", "POST states", {"flow": "nobody", "name": "new", "type": "end"}, 404, "FLOW_NOT_FOUND"),
    Bad("state of no flow", "POST states", {"name": "new", "type": "end"}, 400, REFUSED, "$.flow"),
    Bad("state without a type", "POST states", {"flow": "greeting", "name": "new"}, 422, FAULTY, "$.type"),
    Bad("state with a taken name", "POST states", {"flow": "greeting", "name": "ask", "type": "end"}, 409, "ALREADY_EXISTS"),
    Bad("state with a bad name", "POST states", {"flow": "greeting", "name": "a.b", "type": "end"}, 422, FAULTY, "$.name"),
    Bad("state of an unknown type", STATE, {"type": "oracle"}, 422, FAULTY, "$.type", headers=ANY),
    Bad("config is a list", STATE, {"config": []}, 422, FAULTY, "$.config", headers=ANY),
    Bad("state of somebody else", "PATCH states/{their_state}", {"metadata": {}}, 404, "STATE_NOT_FOUND", headers=ANY),
    Bad("state beyond all bounds", "GET states/99999999999999999999999", None, 404, "STATE_NOT_FOUND"),
    Bad("stale ETag of a state", STATE, {"metadata": {"x": 1}}, 412, "STALE_ETAG", headers={"If-Match": '"999"'}),
    Bad("transition of an unknown condition", MOVE, {"condition": "full_moon"}, 422, FAULTY, "$.condition", headers=ANY),
    Bad("transition without its expression", MOVE, {"condition": "expression"}, 422, FAULTY, "$.expression", headers=ANY),
    Bad("place below nothing", MOVE, {"position": -1}, 400, REFUSED, "$.position", headers=ANY),
    Bad("transition of somebody else", "DELETE transitions/{their_transition}", None, 404, "TRANSITION_NOT_FOUND", headers=ANY),
    Bad("transition of a foreign state", "POST transitions", lambda names: {"state": names["their_state"], **TO}, 404, "STATE_NOT_FOUND"),
    Bad("transition of a state beyond all bounds", "POST transitions", {"state": 10**30, **TO}, 404, "STATE_NOT_FOUND"),
    Bad("transition of a state with a name", "POST transitions", {"state": "ask", **TO}, 400, REFUSED, "$.state"),
    Bad("validates a text", "POST flows/greeting/validate", {"document": "x"}, 400, SCHEMA, "$.document"),
    Bad("states of a type that is none", "GET states?type=oracle", None, 400, SCHEMA, "$.type"),
    Bad("transitions of a state that is a word", "GET transitions?state=ask", None, 400, SCHEMA, "$.state"),
    # releases
    Bad("publishes a way to nowhere", "POST flows/lost/publish", {}, 422, INVALID, MOVES + ".target_state"),
    Bad("publishes a silent loop", "POST flows/looping/publish", {}, 422, INVALID, "$.states.a"),
    Bad("publishes a dead end", "POST flows/stuck/publish", {}, 422, INVALID, ASKING + ".transitions"),
    Bad("publishes an expression with a type error", "POST flows/mistyped/publish", {}, 422, INVALID, MOVES + ".expression"),
    Bad("publishes half an expression", "POST flows/unparsable/publish", {}, 422, INVALID, MOVES + ".expression"),
    Bad("publishes a slot that is not there", "POST flows/nameless/publish", {}, 422, INVALID, CONFIG + ".response_templates"),
    Bad("publishes a pattern that is none", "POST flows/patterned/publish", {}, 422, INVALID, "$.slots.code.pattern"),
    Bad("publishes a call of an unknown integration", "POST flows/calling/publish", {}, 422, INVALID, "$.states.call.config.integration_id"),
    Bad("publishes a start of an unknown flow", "POST flows/starting/publish", {}, 422, INVALID, MOVES + ".actions[0].flow_id"),
    Bad("publishes what is archived", "POST flows/archived/publish", {}, 409, "FLOW_ARCHIVED"),
    Bad("publishes to nowhere", "POST flows/greeting/publish", {"environment": "moon"}, 404, "ENVIRONMENT_NOT_FOUND"),
    Bad("publishes to somebody else", "POST flows/greeting/publish", {"environment": "abroad"}, 404, "ENVIRONMENT_NOT_FOUND"),
    Bad("publishes with a long note", "POST flows/greeting/publish", {"note": "n" * 501}, 400, SCHEMA, "$.note"),
    Bad("publishes a draft that has changed", "POST flows/greeting/publish", {}, 412, "STALE_ETAG", headers={"If-Match": '"0"'}),
    Bad("publishes a flow of somebody else", "POST flows/theirs/publish", {}, 404, "FLOW_NOT_FOUND"),
    Bad("rolls back to a version that never was", "POST flows/greeting/rollback", {"version": 99}, 404, "FLOW_VERSION_NOT_FOUND"),
    Bad("rolls back to nothing", "POST flows/greeting/rollback", {"version": 0}, 400, SCHEMA, "$.version"),
    Bad("rolls back to a word", "POST flows/greeting/rollback", {"version": "last"}, 400, SCHEMA, "$.version"),
    Bad("rolls back beyond all bounds", "POST flows/greeting/rollback", {"version": 10**30}, 404, "FLOW_VERSION_NOT_FOUND"),
    Bad("rolls back without a version", "POST flows/greeting/rollback", {}, 400, SCHEMA, "$.version"),
    Bad("a version that never was", "GET flows/greeting/versions/99", None, 404, "FLOW_VERSION_NOT_FOUND"),
    Bad("compares with a word", "GET flows/greeting/diff?before=last", None, 400, REFUSED, "?before"),
    Bad("compares with nothing", "GET flows/greeting/diff", None, 400, REFUSED, "?before"),
    Bad("exports a version that never was", "GET flows/greeting/export?version=99", None, 404, "FLOW_VERSION_NOT_FOUND"),
    Bad("archives a flow of somebody else", "POST flows/theirs/archive", None, 404, "FLOW_NOT_FOUND"),
    # tests and replays
    Bad("a test without a script", "POST flows/greeting/tests", {"name": "x"}, 400, REFUSED, "$.script"),
    Bad("a test without a name", "POST flows/greeting/tests", {"script": "user: x"}, 400, REFUSED, "$.name"),
    Bad("a line that is no step", "POST flows/greeting/tests", {"name": "x", "script": "shout: x"}, 400, REFUSED, "$.script"),
    Bad("a step that is none", "POST flows/greeting/tests", {"name": "x", "script": {"steps": [7]}}, 400, REFUSED, "$.script.steps[0]"),
    Bad("a script is a number", "POST flows/greeting/tests", {"name": "x", "script": 7}, 400, REFUSED, "$.script"),
    Bad("a test of somebody else", "POST flows/theirs/tests", {"name": "x", "script": "user: x"}, 404, "FLOW_NOT_FOUND"),
    Bad("a test that never was", f"GET flows/greeting/tests/{NOBODY}", None, 404, "FLOW_TEST_NOT_FOUND"),
    Bad("runs a test that never was", "POST flows/greeting/tests/run", {"tests": [NOBODY]}, 404, "FLOW_TEST_NOT_FOUND"),
    Bad("runs on a version that never was", "POST flows/greeting/tests/run", {"version": 99}, 404, "FLOW_VERSION_NOT_FOUND"),
    Bad("runs tests on a draft that cannot run", "POST flows/lost/tests/run", {}, 422, INVALID, MOVES + ".target_state"),
    Bad("tries a pattern that is none", "POST flows/greeting/tests/try", {"script": "bot matches: ("}, 400, REFUSED, "$.script"),
    Bad("a file without tests", "POST flows/greeting/tests/file", {}, 400, REFUSED, "$.tests"),
    Bad("a file with a bad script", "POST flows/greeting/tests/file", {"tests": [{"script": {}}]}, 400, REFUSED, "$.tests[0].script.steps"),
    Bad("replays nothing", "POST replays", {}, 400, SCHEMA, "$.flow_id"),
    Bad("replays no conversation", "POST replays", {"flow_id": "greeting", "count": 0}, 400, SCHEMA, "$.count"),
    Bad("replays a flow of somebody else", "POST replays", {"flow_id": "theirs"}, 404, "FLOW_NOT_FOUND"),
    Bad("replays a draft that cannot run", "POST replays", {"flow_id": "lost"}, 422, INVALID, MOVES + ".target_state"),
    Bad("understands somehow", "POST replays", {"flow_id": "greeting", "understanding": "perhaps"}, 400, SCHEMA, "$.understanding"),
    Bad("a replay that never was", f"GET replays/{NOBODY}", None, 404, "REPLAY_NOT_FOUND"),
    Bad("what if nobody", f"POST conversations/{NOBODY}/replay", {}, 404, "CONVERSATION_NOT_FOUND"),
    Bad("a test of no conversation", f"POST conversations/{NOBODY}/test", {}, 404, "CONVERSATION_NOT_FOUND"),
    # environments
    Bad("environment with a space", "POST environments", {"name": "my place"}, 400, REFUSED, "$.name"),
    Bad("environment with a long name", "POST environments", {"name": "e" * 41}, 400, SCHEMA, "$.name"),
    Bad("environment is there already", "POST environments", {"name": "staging"}, 409, "ALREADY_EXISTS"),
    Bad("perhaps the default", "PATCH environments/staging", {"is_default": "perhaps"}, 400, SCHEMA, "$.is_default"),
    Bad("takes the default away", "PATCH environments/production", {"is_default": False}, 409, "ENVIRONMENT_IN_USE"),
    Bad("deletes the default", "DELETE environments/production", None, 409, "ENVIRONMENT_IN_USE"),
    Bad("deletes an environment of somebody else", "DELETE environments/abroad", None, 404, "ENVIRONMENT_NOT_FOUND"),
    # integrations
    Bad("literal secret", INTEGRATE, crm(authentication={"type": "bearer", "secret": "sk_live_51Hx8aKq"}), 400, REFUSED, "$.authentication.secret"),
    Bad("literal secret in a header", INTEGRATE, crm(headers={"Authorization": "Bearer abc"}), 400, REFUSED, "$.headers.Authorization"),
    Bad("literal secret in the address", INTEGRATE, crm(base_url="https://joe:secret@example.com"), 400, REFUSED, "$.base_url"),
    Bad("a file", INTEGRATE, crm(base_url="file:///etc/passwd"), 400, REFUSED, "$.base_url"),
    Bad("a line break in a header", INTEGRATE, crm(headers={"Accept": "a\r\nX-Evil: 1"}), 400, REFUSED, "$.headers.Accept"),
    Bad("timeout below its bound", INTEGRATE, crm(timeout_ms=99), 400, REFUSED, "$.timeout_ms"),
    Bad("timeout above its bound", INTEGRATE, crm(timeout_ms=30_001), 400, REFUSED, "$.timeout_ms"),
    Bad("timeout is a truth", INTEGRATE, crm(timeout_ms=True), 400, REFUSED, "$.timeout_ms"),
    Bad("six attempts", INTEGRATE, crm(retry_policy={"max_attempts": 6}), 400, REFUSED, "$.retry_policy.max_attempts"),
    Bad("unknown protocol", INTEGRATE, crm(type="soap"), 400, REFUSED, "$.type"),
    Bad("unknown member", INTEGRATE, crm(colour="red"), 400, REFUSED, "$.colour"),
    Bad("no id", INTEGRATE, CRM, 400, REFUSED, "$.integration_id"),
    Bad("bad id", INTEGRATE, crm(integration_id="a b"), 400, REFUSED, "$.integration_id"),
    Bad("is there already", INTEGRATE, crm(integration_id="crm"), 409, "ALREADY_EXISTS"),
    Bad("stale ETag of an integration", "PATCH integrations/crm", {"timeout_ms": 200}, 412, "STALE_ETAG", headers={"If-Match": '"99"'}),
    Bad("a tool has no address", INTEGRATE, crm(type="tool"), 400, REFUSED, "$.base_url"),
    Bad("signs gRPC", INTEGRATE, crm(type="grpc", base_url="grpc://x:1", authentication=SIGNED), 400, REFUSED, "$.authentication.type"),
    Bad("a descriptor that is none", INTEGRATE, crm(type="grpc", base_url="grpc://x:1", descriptor_set="!"), 400, REFUSED, "$.descriptor_set"),
    Bad("an option of another type", INTEGRATE, crm(options={"operations": {}}), 400, REFUSED, "$.options.operations"),
    Bad("stubs of nobody", "GET integrations/nobody/stubs", None, 404, "INTEGRATION_NOT_FOUND"),
    Bad("a stub without an outcome", "POST integrations/crm/stubs", {"name": "x", "outcome": [1]}, 400, REFUSED, "$.outcome"),
    Bad("a stub, half an outcome", "POST integrations/crm/stubs", {"name": "x", "outcome": {"success": "yes"}}, 400, REFUSED, "$.outcome.success"),
    Bad("a stub without a name", "POST integrations/crm/stubs", {"outcome": {}}, 400, REFUSED, "$.name"),
    Bad("records what never was", "POST integrations/crm/stubs/record", {"effect_id": NOBODY, "name": "x"}, 404, "EFFECT_NOT_FOUND"),
    Bad("records without an id", "POST integrations/crm/stubs/record", {"name": "x"}, 400, SCHEMA, "$.effect_id"),
    Bad("tries an integration of somebody else", "POST integrations/erp/try", {}, 404, "INTEGRATION_NOT_FOUND"),
    Bad("tries with a made-up method", "POST integrations/crm/try", {"method": "STEAL"}, 400, REFUSED, "$.method"),
    Bad("tries with a list", "POST integrations/crm/try", {"request": [1]}, 400, SCHEMA, "$.request"),
    Bad("tries for an hour", "POST integrations/crm/try", {"timeout_ms": 3_600_000}, 400, SCHEMA, "$.timeout_ms"),
    Bad("health of a year", "GET integrations/crm/health?hours=8760", None, 400, REFUSED, "$.hours"),
    Bad("health of some time", "GET integrations/crm/health?hours=some", None, 400, SCHEMA, "?hours"),
    # secrets
    Bad("a secret called after its value", "POST secrets", {"name": "sk_live_51H", "value": "x"}, 400, REFUSED, "$.name"),
    Bad("a secret that is empty", "POST secrets", {"name": "FRESH", "value": ""}, 400, SCHEMA, "$.value"),
    Bad("a secret that is too long", "POST secrets", {"name": "FRESH", "value": "x" * 8_193}, 400, SCHEMA, "$.value"),
    Bad("a secret with a NUL", "POST secrets", b'{"name": "FRESH", "value": "a\\u0000b"}', 400, SCHEMA, "$.value"),
    Bad("rotates what is not there", "POST secrets/NOBODY/rotate", {"value": "x"}, 404, "SECRET_NOT_FOUND"),
    Bad("rotates with an endless overlap", "POST secrets/NOBODY/rotate", {"value": "x", "overlap_seconds": 10**9}, 400, SCHEMA, "$.overlap_seconds"),
    Bad("reads a secret of somebody else", "GET secrets/THEIRS", None, 404, "SECRET_NOT_FOUND"),
    Bad("lets calls of somebody else through", "POST integrations/erp/breaker/close", None, 404, "INTEGRATION_NOT_FOUND"),
    Bad("integration of somebody else", "PATCH integrations/erp", {"timeout_ms": 200}, 404, "INTEGRATION_NOT_FOUND", headers=ANY),
    # live versions
    Bad("plan of nothing", "POST migration-plans", {}, 400, SCHEMA, "$.flow_id"),
    Bad("plan is a list", "POST migration-plans", [], 400, SCHEMA, "$"),
    Bad("plan from version zero", "POST migration-plans", {"flow_id": "greeting", "source": 0}, 400, SCHEMA, "$.source"),
    Bad("plan to itself", "POST migration-plans", {"flow_id": "greeting", "source": 1, "target": 1}, 400, "PLAN_INVALID", "$.target"),
    Bad("plan for a flow of somebody else", "POST migration-plans", {"flow_id": "theirs", "source": 1}, 404, "FLOW_NOT_FOUND"),
    Bad("plan that is not there", "POST migration-plans/00000000-0000-4000-8000-000000000000/apply", {}, 404, "PLAN_NOT_FOUND"),
    Bad("publish with an unknown policy", "POST flows/greeting/publish", {"live": {"policy": "luck"}}, 400, SCHEMA, "$.live.policy"),
]  # fmt: skip
