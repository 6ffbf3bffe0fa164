"""The tests of one flow: the list with its last results, one test as a transcript beside what happened, and files in and out."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from flows import queries, services
from flows.admin.releases import ReleasePages
from flows.core import scripts, transcripts
from flows.models import Flow, FlowTest
from mcp_platform.admin_base import refused_fields, tell
from mcp_platform.errors import PlatformError
from mcp_platform.rest import read_json
from mcp_platform.tenancy.pages import principal

BLANK = "bot more\n\nuser: \nbot: \nexpect state = "
HELP = (
    ("user: five storeys", "the user writes"),
    ("press: Yes", "a button, by its label"),
    ("wait: PT30M", "time passes, timers fire"),
    ('answer crm: {"owner": "Ada"}', "an integration answers"),
    ("fail crm: INTEGRATION_TIMEOUT", "an integration fails"),
    ("bot: How many storeys?", "exactly this reply, next"),
    ("bot contains: storeys", "also: matches (RE2), never"),
    ("bot silent · bot more", "nothing more · whatever else"),
    ("expect slots.storeys = 5", "also !=, contains, matches, absent, present"),
    ("expect state = intake", "status, intent, completion, error, variables.x"),
    ('calls crm: {"order": 17}', "a call with at least these members"),
    ("no calls", "none was made"),
)


class TestPages(ReleasePages):
    """Mixed into the page of a flow."""

    def test_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(f"<uuid:pk>/tests/{route}", self.admin_site.admin_view(view), name=f"flows_flow_{name}")

        return [
            page("", self.tests_page, "tests"),
            page("run/", self.run_button, "tests_run"),
            page("file/", self.file_page, "tests_file"),
            page("add/", self.script_page, "test_add"),
            page("<uuid:test>/", self.script_page, "test"),
            page("<uuid:test>/delete/", self.delete_button, "test_delete"),
        ]

    def tests_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        flow = self.mine(request, pk)
        rows = list(queries.tests(flow.tenant_id, flow.pk))
        return self.show(
            request,
            "flows/tests.html",
            title=flow.name,
            tab="tests",
            rows=[_row(row) for row in rows],
            passed=sum(row.passed is True for row in rows),
            failed=sum(row.passed is False for row in rows),
            coverage=_coverage(flow, rows),
            ran_on=rows[0].ran_on if rows else "",
            replays_url=f"{reverse('admin:conversations_replay_start')}?flow={flow.flow_id}&tenant={flow.tenant.slug}",
            **self.frame(request, flow),
        )

    def run_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """All tests, on the draft or on the version that is chosen."""
        if request.method != "POST":
            return HttpResponseRedirect(self.to("tests", pk))
        flow = self.mine(request, pk, "change")
        chosen, number = request.POST.get("test", ""), request.POST.get("version", "")
        try:
            report = services.run_tests(
                flow.tenant,
                flow_id=flow.pk,
                number=int(number) if number.isdecimal() else None,
                test_ids=[UUID(chosen)] if chosen else None,
            )
        except (PlatformError, ValueError) as error:
            tell(request, error) if isinstance(error, PlatformError) else messages.error(request, "There is no such test.")
        else:
            failed = len(report.failed)
            told = f"{len(report.ran)} test{'s' if len(report.ran) != 1 else ''} ran on {report.on}: "
            (messages.warning if failed else messages.success)(request, told + (f"{failed} failed." if failed else "all pass."))
        return HttpResponseRedirect(self.to("test", flow.pk, chosen) if chosen else self.to("tests", flow.pk))

    def script_page(self, request: HttpRequest, pk: Any, test: Any = None) -> HttpResponse:
        flow = self.mine(request, pk)
        row = queries.test(flow.tenant_id, flow.pk, test) if test else None
        given: Mapping[str, Any] = _fields(row)
        faults: list[tuple[str | None, str]] = []
        if request.method == "POST":
            self.mine(request, pk, "change")
            typed = {name: request.POST.get(name, "") for name in ("name", "description", "script")}
            given = {**given, **typed, "enabled": "enabled" in request.POST}
            try:
                saved = self._save(request, flow, row, given)
            except PlatformError as error:
                faults = refused_fields(error)
            else:
                return HttpResponseRedirect(self.to("test", flow.pk, saved.pk))
        return self.show(
            request,
            "flows/test.html",
            title=flow.name,
            tab="tests",
            test=row,
            given=given,
            faults=[message.removeprefix("$.script: ") for _, message in faults],
            played=_played(row),
            help=HELP,
            **self.frame(request, flow),
        )

    def _save(self, request: HttpRequest, flow: Flow, row: FlowTest | None, given: Mapping[str, Any]) -> FlowTest:
        """Saved, and run at once: who writes a test wants to know."""
        rev = request.POST.get("rev", "")
        written = given["script"]
        fields = {
            "name": given["name"],
            "description": given["description"],
            "enabled": given["enabled"],
            "script": read_json(written.encode()) if written.lstrip().startswith("{") else written,
        }
        saved = services.save_test(
            flow.tenant,
            flow_id=flow.pk,
            test_id=row.pk if row else None,
            fields=fields,
            expected_rev=int(rev) if rev.isdecimal() and row else None,
            by=principal(request, flow.tenant),
        )
        try:
            failed = services.run_tests(flow.tenant, flow_id=flow.pk, test_ids=[saved.pk]).failed
            if failed:
                messages.warning(request, "Saved. It fails on the draft.")
            else:
                messages.success(request, "Saved. It passes on the draft.")
        except PlatformError as error:
            messages.warning(request, f"Saved, but it could not run: {error.message}")
        return saved

    def delete_button(self, request: HttpRequest, pk: Any, test: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("test", pk, test))
        flow = self.mine(request, pk, "change")
        by = principal(request, flow.tenant)
        return self.perform(
            request,
            lambda: services.delete_test(flow.tenant, flow_id=flow.pk, test_id=test, by=by),
            done="The test is gone.",
            to=self.to("tests", flow.pk),
        )

    def file_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Download all tests, or take those of a file."""
        if request.method != "POST":
            flow = self.mine(request, pk)
            text = json.dumps(services.export_tests(flow.tenant, flow_id=flow.pk), indent=2, ensure_ascii=False)
            return HttpResponse(
                text, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{flow.flow_id}.tests.json"'}
            )
        flow = self.mine(request, pk, "change")
        by, given = principal(request, flow.tenant), request.FILES.get("file")
        try:
            document = read_json(given.read(1024 * 1024 + 1)) if given is not None else None
            rows = services.import_tests(flow.tenant, flow_id=flow.pk, document=document, replace="replace" in request.POST, by=by)
        except PlatformError as error:
            tell(request, error)
        else:
            messages.success(request, f"{len(rows)} tests imported.")
        return HttpResponseRedirect(self.to("tests", flow.pk))


OUTCOMES: Mapping[bool | None, tuple[str, str]] = {True: ("success", "passes"), False: ("danger", "fails"), None: ("", "never ran")}


def _row(row: FlowTest) -> dict[str, Any]:
    divergence = (row.result or {}).get("divergence")
    variant, word = OUTCOMES[row.passed]
    steps = len(row.script.get("steps", ()))
    return {"test": row, "variant": variant, "word": word, "why": divergence["message"] if divergence else "", "steps": steps}


def _coverage(flow: Flow, rows: list[FlowTest]) -> list[dict[str, Any]]:
    """State by state, how many tests come to it."""
    visits = [state for row in rows for state in (row.result or {}).get("visits", ())]
    return [{"name": name, "count": visits.count(name)} for name in flow.states.values_list("name", flat=True)] if visits else []


def _fields(row: FlowTest | None) -> dict[str, Any]:
    if row is None:
        return {"name": "", "description": "", "enabled": True, "script": BLANK}
    script, _ = scripts.parse(row.script)
    written = transcripts.write(script) if script is not None else json.dumps(row.script, indent=2, ensure_ascii=False)
    return {"name": row.name, "description": row.description, "enabled": row.enabled, "script": written}


def _played(row: FlowTest | None) -> dict[str, Any] | None:
    """The last run, step by step: the script's lines, what came of them, and where it differed first."""
    if row is None or not row.result:
        return None
    script, _ = scripts.parse(row.script)
    if script is None:
        return None
    divergence = row.result.get("divergence")
    stop = divergence["step"] if divergence else len(script.steps)
    lines: dict[int, list[dict[str, Any]]] = {}
    for line in row.result.get("lines", ()):
        lines.setdefault(line["step"], []).append(line)
    steps = [
        {
            "number": number + 1,
            "text": transcripts.line(step),
            "deed": isinstance(step, (*scripts.INPUTS, scripts.Answer, scripts.Fail)),
            "lines": [line for line in lines.get(number, ()) if line["by"] != "user"],
            "mark": "failed" if number == stop and divergence else "met" if number < stop else "open",
        }
        for number, step in enumerate(script.steps)
    ]
    return {
        "passed": row.passed,
        "divergence": divergence,
        "opening": lines.get(-1, ()),
        "steps": steps,
        "at_end": bool(divergence) and stop >= len(script.steps),
        "trace": [entry for entry in row.result.get("trace", ()) if "condition" in entry][-30:],
    }
