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

ROWS = [
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
    Bad("integration of somebody else", "PATCH integrations/erp", {"timeout_ms": 200}, 404, "INTEGRATION_NOT_FOUND", headers=ANY),
]  # fmt: skip
