"""Bad models, live changes, rules, IDS and BCF files, findings, waivers and reports."""

from tests.platform.bad_input.row import Bad
from tests.platform.bad_input.sockets import ORDER, BadSocket, Frame

SCHEMA, DENIED = "SCHEMA_ERROR", "PERMISSION_DENIED"
NOBODY = "00000000-0000-4000-8000-000000000000"
HERE, THEIRS = "validation/buildings/{building}", "validation/buildings/{their_building}"
UPLOAD, CHANGE, WAIVE, REPORT = f"POST {HERE}/revisions", f"POST {HERE}/changes", f"POST {HERE}/waivers", "POST reports"
CHECK = "POST validation/rules/check"
OP = {"op": "upsert", "global_id": "door-1", "ifc_class": "IfcDoor"}
BATCH = {"client_id": "cad", "client_seq": 1, "base_seq": 0, "ops": [OP]}
ASKED = {"kind": "variance", "justification": "It is a landmark.", "rule": "TEST-DOOR-WIDTH"}
FORM = "multipart/form-data; boundary=b"


def form(name: str, file: str, content: bytes) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return head.encode() + content + b"\r\n--b--\r\n"


ROWS = [
    # models
    Bad("model without a form", UPLOAD, {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    Bad("model without a file", UPLOAD, form("other", "a.ifc", b"x"), 400, SCHEMA, "$.file", content_type=FORM),
    Bad("model for the building of another", f"POST {THEIRS}/revisions", form("file", "a.ifc", b"x"), 404, "BUILDING_NOT_FOUND", content_type=FORM),
    Bad("model by who may only read flows", UPLOAD, form("file", "a.ifc", b"x"), 403, DENIED, content_type=FORM, by="flow reader"),
    Bad("revision that is not there", f"GET {HERE}/revisions/77", None, 404, "REVISION_NOT_FOUND"),
    Bad("element that is not there", f"GET {HERE}/elements/nobody", None, 404, "ELEMENT_NOT_FOUND"),
    Bad("facts of nobody in particular", f"PATCH {HERE}/elements", {"facts": {"clear_width": 1}}, 400, SCHEMA, "$"),
    Bad("facts in a list", f"PATCH {HERE}/elements", {"elements": ["x"], "facts": []}, 400, SCHEMA, "$.facts"),
    # live changes
    Bad("changes without a client", CHANGE, {**BATCH, "client_id": ""}, 400, SCHEMA, "$.client_id"),
    Bad("changes in the name of the platform", CHANGE, {**BATCH, "client_id": "revision"}, 400, SCHEMA, "$.client_id"),
    Bad("changes numbered zero", CHANGE, {**BATCH, "client_seq": 0}, 400, SCHEMA, "$.client_seq"),
    Bad("changes on a negative model", CHANGE, {**BATCH, "base_seq": -1}, 400, SCHEMA, "$.base_seq"),
    Bad("changes on a model to come", CHANGE, {**BATCH, "base_seq": 99}, 409, "BASE_AHEAD"),
    Bad("changes in a text", CHANGE, {**BATCH, "ops": "upsert"}, 400, SCHEMA, "$.ops"),
    Bad("change that is a number", CHANGE, {**BATCH, "ops": [7]}, 400, "CHANGES_REFUSED", "$.ops[0]"),
    Bad("change of a made-up kind", CHANGE, {**BATCH, "ops": [OP, {**OP, "op": "paint"}]}, 400, "CHANGES_REFUSED", "$.ops[1].op"),
    Bad("change without an id", CHANGE, {**BATCH, "ops": [{"op": "delete"}]}, 400, "CHANGES_REFUSED", "$.ops[0].global_id"),
    Bad("changes to the building of somebody else", f"POST {THEIRS}/changes", BATCH, 404, "BUILDING_NOT_FOUND"),
    Bad("changes after a word", f"GET {HERE}/changes?after=soon", None, 400, SCHEMA, "?after"),
    # rules
    Bad("rule that is a list", CHECK, [], 400, SCHEMA, "$"),
    Bad("rule set without a name", "POST validation/rule-sets", {"title": "New"}, 400, SCHEMA, "$.slug"),
    Bad("rule set that is not there", f"GET validation/rule-sets/{NOBODY}", None, 404, "RULE_SET_NOT_FOUND"),
    Bad("project without a day", "POST validation/projects", {"name": "new"}, 400, SCHEMA, "$.permit_application_date"),
    Bad("building in no project", "POST validation/buildings", {"name": "new", "project": NOBODY}, 400, SCHEMA, "$.project"),
    # IDS and BCF files
    Bad("audit of no file", "POST validation/ids/audit", form("other", "a.ids", b"x"), 400, SCHEMA, "$.ids", content_type=FORM),
    Bad("check without a model", "POST validation/ids/check", form("ids", "a.ids", b"<ids/>"), 400, SCHEMA, "$.ifc", content_type=FORM),
    Bad("topics without a file", f"POST {HERE}/bcf", form("other", "a.bcf", b"x"), 400, SCHEMA, "$.file", content_type=FORM),
    Bad("topics that are no archive", f"POST {HERE}/bcf", form("file", "a.bcf", b"not a zip"), 400, "BCF_REFUSED", content_type=FORM),
    Bad("topics of a made-up version", f"GET {HERE}/bcf?version=9.9", None, 400, "BCF_VERSION_UNKNOWN"),
    # waivers and findings
    Bad("waiver of nothing", WAIVE, {"kind": "variance", "justification": "x"}, 400, SCHEMA, "$"),
    Bad("waiver of a made-up kind", WAIVE, {**ASKED, "kind": "favour"}, 400, SCHEMA, "$.kind"),
    Bad("waiver of a finding that is not there", WAIVE, {"kind": "variance", "justification": "x", "finding": NOBODY}, 404, "FINDING_NOT_FOUND"),
    Bad("waivers of a made-up state", f"GET {HERE}/waivers?state=lost", None, 400, SCHEMA, "?state"),
    Bad("finding that is not there", f"GET {HERE}/findings/{NOBODY}", None, 404, "FINDING_NOT_FOUND"),
    # reports
    Bad("report of nothing", REPORT, {}, 400, SCHEMA, "$.run"),
    Bad("report of no run", REPORT, {"run": NOBODY}, 404, "RUN_NOT_FOUND"),
    Bad("report in stone", REPORT, {"run": NOBODY, "formats": ["stone"]}, 400, SCHEMA, "$.formats[0]"),
    Bad("report in a made-up language", REPORT, {"run": NOBODY, "locale": "tlh"}, 400, SCHEMA, "$.locale"),
    Bad("report that is not there", f"GET reports/{NOBODY}", None, 404, "REPORT_NOT_FOUND"),
    Bad("report by who may only read flows", REPORT, {"run": NOBODY}, 403, DENIED, by="flow reader"),
    Bad("report with a guessed token", "POST verify/nobody", {}, 404, "REPORT_NOT_FOUND", by="nobody"),
]

HELLO: dict[str, object] = {"type": "hello", "client_id": "cad"}


def live(name: str, frame: Frame, close: int, code: str, at: str = "", *, to: str = "building", by: str = "owner") -> BadSocket:
    return BadSocket(name, (frame,), close, code, at, by=by, to=f"buildings/{{{to}}}/validation/", subprotocols=("mcp-validation.v1",))


SOCKETS = [
    live("changes before hello", {"type": "changes", "client_seq": 1, "base_seq": 0, "ops": []}, 4409, ORDER, "$.type"),
    live("presence before hello", {"type": "presence", "selection": []}, 4409, ORDER, "$.type"),
    live("pull before hello", {"type": "pull"}, 4409, ORDER, "$.type"),
    live("hello with a client id of two words", {**HELLO, "client_id": "a b"}, 4400, SCHEMA, "$.client_id"),
    live("hello with a typing error", {**HELLO, "cleint": "x"}, 4400, SCHEMA, "$.cleint"),
    live("hello to another building", {**HELLO, "building_id": NOBODY}, 4400, SCHEMA, "$.building_id"),
    live("hello that goes on from a word", {**HELLO, "resume": {"stream_id": NOBODY, "last_seq": "x"}}, 4400, SCHEMA, "$.resume.last_seq"),
    live("live building of somebody else", HELLO, 4404, "BUILDING_NOT_FOUND", to="their_building"),
    live("live building without the permission", HELLO, 4403, DENIED, by="flow reader"),
]  # fmt: skip
