"""Bad schedules, certificates, looks and policies of reports."""

from tests.platform.bad_input.row import Bad

SCHEMA, DENIED = "SCHEMA_ERROR", "PERMISSION_DENIED"
NOBODY = "00000000-0000-4000-8000-000000000000"
SCHEDULE, LOOK, FORM, POLICY = "POST reports/schedules", "POST reports/branding", "POST reports/templates", "PATCH reports/policy"
WEEKLY = {"name": "Weekly", "about": {"project": NOBODY}, "at": "08:00"}
ANY = {"If-Match": "*"}
PARTS = "multipart/form-data; boundary=b"


def parts(**fields: str) -> bytes:
    found = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="k.p12"\r\nContent-Type: application/octet-stream\r\n\r\nno key\r\n--b--\r\n'
    return "".join([*found, file]).encode()


ROWS = [
    Bad("schedule in a list", SCHEDULE, [WEEKLY], 400, SCHEMA, "$"),
    Bad("schedule without a subject", SCHEDULE, {**WEEKLY, "about": {}}, 400, SCHEMA, "$.about"),
    Bad("schedule in no zone", SCHEDULE, {**WEEKLY, "time_zone": "Mars/Olympus"}, 400, SCHEMA, "$.time_zone"),
    Bad("schedule on the eighth day", SCHEDULE, {**WEEKLY, "weekday": 8}, 400, SCHEMA, "$.weekday"),
    Bad("schedule for nobody's address", SCHEDULE, {**WEEKLY, "recipients": ["nobody"]}, 400, SCHEMA, "$.recipients[0]"),
    Bad("schedule with a member that there is not", SCHEDULE, {**WEEKLY, "colour": "red"}, 400, SCHEMA, "$.colour"),
    Bad("schedule that is not there", f"GET reports/schedules/{NOBODY}", None, 404, "REPORT_SCHEDULE_NOT_FOUND"),
    Bad("schedule by who may only read flows", SCHEDULE, WEEKLY, 403, DENIED, by="flow reader"),
    Bad("certificate without a form", "POST reports/certificates", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    Bad("certificate without a name", "POST reports/certificates", parts(), 400, SCHEMA, "$.name", content_type=PARTS),
    Bad("certificate that is none", "POST reports/certificates", parts(name="x"), 400, SCHEMA, "$.file", content_type=PARTS),
    Bad("certificate that is not there", f"GET reports/certificates/{NOBODY}", None, 404, "CERTIFICATE_NOT_FOUND"),
    Bad("branding in no colour", LOOK, {"name": "x", "colour": "red"}, 400, SCHEMA, "$.colour"),
    Bad("branding without a name", LOOK, {}, 400, SCHEMA, "$.name"),
    Bad("template with a poem", FORM, {"name": "x", "sections": ["poem"]}, 400, SCHEMA, "$.sections[0]"),
    Bad("template in somebody's branding", FORM, {"name": "x", "branding": NOBODY}, 400, SCHEMA, "$.branding"),
    Bad("policy of yesterday", POLICY, {"keep_days": 0}, 400, SCHEMA, "$.keep_days", headers=ANY),
    Bad("policy that is a text", POLICY, {"attach_files": "perhaps"}, 400, SCHEMA, "$.attach_files", headers=ANY),
    Bad("policy without its ETag", POLICY, {"keep_days": 1}, 428, "PRECONDITION_REQUIRED"),
    Bad("letter to a thousand", "POST reports", {"run": NOBODY, "notify": ["a@example.com"] * 1000}, 400, SCHEMA, "$.notify"),
    Bad("report of a poem", "POST reports", {"kind": "poem"}, 400, SCHEMA, "$.kind"),
    Bad("report of a project that is not there", "POST reports", {"kind": "project", "project": NOBODY}, 404, "PROJECT_NOT_FOUND"),
    Bad("report of one check beside none", "POST reports", {"kind": "comparison", "run": NOBODY}, 400, SCHEMA, "$.base"),
    Bad("report of conversations of no flow", "POST reports", {"kind": "analytics"}, 400, SCHEMA, "$.flow"),
    Bad("report of conversations as BCF", "POST reports", {"kind": "analytics", "formats": ["bcf"]}, 400, SCHEMA, "$.formats[0]"),
    Bad("report that is revised and not there", f"POST reports/{NOBODY}/revisions", None, 404, "REPORT_NOT_FOUND"),
]
