"""Documents of every kind beside the single check, made without a database; `text` stands in every field that people write."""

from typing import Any

from reports.core import document as documents
from reports.core import kinds
from reports.core.sections import SECTIONS_OF
from tests.reports.documents import gathered as of_run

Json = dict[str, Any]
TEXT = "Door 12 is 51 mm too narrow."
SIDE_MODEL = {"file_name": "tower_a.ifc", "schema": "IFC4", "sha256": "cd" * 32, "integrity_text": "ready"}


def head(kind: str, text: str) -> Json:
    return {
        "kind": kind,
        "title": f"Harbour Office {text}",
        "locale": "en",
        "units": "metric",
        "made_at": "2026-11-21T09:00:00+00:00",
        "number": "R-2026-00042",
        "revision": 2,
        "supersedes": "R-2026-00042 rev. 1",
        "sections": list(SECTIONS_OF[kind]),
        "history": [{"revision": 1, "number": "R-2026-00042", "made_at": "2026-11-14T09:00:00+00:00", "sha256": "ef" * 32}],
        "project": {
            "name": text,
            "address": text,
            "permit_number": "BLD-2024-0815",
            "permit_application_date": "2024-05-01",
            "jurisdiction": {"code": "US-WA-SEA", "name": "Seattle"},
        },
        "parties": [{"role": "Architect", "name": text, "licence": "WA 1234"}],
    }


def of_project(text: str = TEXT, findings: int = 24) -> Json:
    checks = [_check(f"Tower {letter}", text, findings // 2, score) for letter, score in (("A", 87.3), ("B", 64.1))]
    return {**head("project", text), "today": "2027-01-05", "unchecked": ["Pavilion"], "checks": checks}


def _check(name: str, text: str, findings: int, score: float) -> Json:
    run = of_run(findings, text=text)
    for place, one in enumerate(run["findings"]):
        one |= {
            "name": text,
            "tag": f"{name}-{place}",
            "responsible": ("A. Rchitect", "", text)[place % 3],
            "due": ("2026-12-31", "", "2027-02-01")[place % 3],
        }
    points = {"points": 10 * score, "possible": 1000.0, "evaluated": 930, "unknown": 70}
    return {**run, **points, "building": {"id": name, "name": name}, "score": score, "checked_at": "2026-11-21T09:00:00+00:00", "plans": []}


def _change(number: int, text: str) -> Json:
    return {
        "id": f"{number:040x}",
        "rule": f"IBC21-10{number:02d}-RULE",
        "title": text,
        "section": "1010.1",
        "edition": "2021",
        "category": "egress",
        "severity": ("critical", "major", "minor", "info")[number % 4],
        "subject": f"{number:022d}",
        "name": text,
        "storey_name": "Level 1",
        "ifc_class": "IfcDoor",
        "required": 0.813,
        "actual": 0.762,
        "margin": -0.051,
        "unit": "m",
        "required_text": "813 mm",
        "actual_text": "762 mm",
        "margin_text": "−51 mm",
        "message": text,
        "state": "open",
    }


def of_period(text: str = TEXT) -> Json:
    state = {"run": "r", "at": "2026-11-01T08:00:00+00:00", "result_sha256": "ab" * 32, "coverage": 0.91, "status": "non-compliant"}
    runs = [
        {
            "run": f"r{day}",
            "at": f"2026-11-{day:02d}T08:00:00+00:00",
            "building": "Tower A",
            "trigger": "scheduled",
            "score": 60.0 + day,
            "coverage": 0.7 + day / 100,
            "status": "non-compliant",
            "by_severity": {"critical": 9 - day // 3, "major": 12, "minor": 4, "info": 1},
        }
        for day in range(2, 22, 3)
    ]
    waiver = {"number": "W-1", "rule": "IBC21-1003-RULE", "kind": "variance", "state": "approved", "justification": text}
    tower = {
        "id": "a",
        "name": "Tower A",
        "before": {**state, "score": 61.0, "by_severity": {"critical": 9, "major": 12}},
        "after": {**state, "score": 80.5, "by_severity": {"critical": 2, "major": 12, "minor": 5}},
        "runs": runs,
        "opened": [_change(number, text) for number in range(5)],
        "resolved": [_change(number, text) for number in range(5, 12)],
        "handled": {"comment": 4, "state": 7, "due": 1},
        "waivers": [{**waiver, "approver": "R. Official", "authority_reference": "V-77", "expires_on": "2027-01-31"}],
        "models": [{"revision": 3, "file_name": text, "sha256": "cd" * 32, "state": "ready", "at": "2026-11-05T10:00:00+00:00"}],
        "days_to_fix": [2, 4, 9],
    }
    new: Json = {"id": "b", "name": "Pavilion", "before": None, "after": None, "handled": {}, "days_to_fix": []}
    new |= {name: [] for name in ("runs", "opened", "resolved", "waivers", "models")}
    return {**head("period", text), "since": "2026-11-01", "until": "2026-11-21", "time_zone": "America/Los_Angeles", "buildings": [tower, new]}


def of_comparison(text: str = TEXT) -> Json:
    side: Json = {
        "run": "r",
        "at": "2026-11-01T08:00:00+00:00",
        "score": 61.0,
        "coverage": 0.9,
        "status": "non-compliant",
        "outcomes": {"pass": 100, "fail": 20, "not_applicable": 5, "not_evaluable": 9},
        "by_severity": {"critical": 9, "major": 11},
        "counts": {"IBC21-1001-RULE": {"pass": 10, "fail": 4}, "IBC21-1002-RULE": {"pass": 3, "fail": 1}},
        "model": {**SIDE_MODEL, "file_name": text},
        "basis": {"editions": of_run(0)["basis"]["editions"], "rule_sets": of_run(0)["basis"]["rule_sets"], "amendments": [], "overrides": {}},
        "engine": {"version": "1.0.0", "input_sha256": "aa" * 32, "result_sha256": "bb" * 32},
    }
    after = {**side, "score": 74.5, "outcomes": {**side["outcomes"], "fail": 12, "pass": 108}, "by_severity": {"critical": 3, "major": 9}}
    after["counts"] = {**side["counts"], "IBC21-1001-RULE": {"pass": 14, "fail": 0}}
    rule = {"title": text, "version": "ibc-2021 1.0.0", "severity": "critical", "require": "e.width >= p.min", "parameters": {"min": "813 mm"}}
    changed = [{**_change(20, text), **{f"{name}_before": "1" for name in ("actual_text", "required_text", "actual", "required", "severity")}}]
    return {
        **head("comparison", text),
        "building": {"id": "a", "name": text},
        "before": side,
        "after": after,
        "rules_before": {"IBC21-1001-RULE": rule, "IBC21-1003-RULE": rule},
        "rules_after": {"IBC21-1001-RULE": {**rule, "parameters": {"min": "915 mm"}}, "IBC21-1002-RULE": rule},
        "opened": [_change(number, text) for number in range(4)],
        "resolved": [_change(number, text) for number in range(4, 12)],
        "changed": changed,
        "unchanged": 8,
    }


def _overview(starts: int, text: str) -> Json:
    return {
        "starts": starts,
        "called_as_sub_flow": 3,
        "completions": {"completed": starts // 2, text[:100]: 4},
        "completed": starts // 2,
        "completion_rate": 0.5,
        "handoffs": 12,
        "handoff_rate": 0.08,
        "not_ended": 31,
        "migrated_in": 0,
        "migrated_out": 0,
        "turns": {"message": 900},
        "failed_turns": 2,
        "faults": {"EFFECT_FAILED": 2},
        "missed": 14,
        "escalated": 3,
        "latency_ms": {"count": 900, "p50": 11.4, "p90": 40.0, "p95": 71.9, "p99": 12345.6, "buckets": []},
        "satisfaction": {"answers": 20, "declined": 3, "mean": 4.1, "mean_share": 0.775, "scores": [{"score": 5.0, "scale": 5, "count": 12}]},
        "slots": [{"slot": text, "filled": 80, "refused": 7, "corrected": 2, "refusals_per_answer": 0.0875}],
        "intents": [{"intent": text, "count": 60}, {"intent": "permit", "count": 40}],
        "confidence": [{"lower": f"{step / 10:.1f}", "count": 10 * step} for step in range(10)],
        "integrations": [
            {"integration_id": text, "calls": 70, "failed": 2, "failure_rate": 0.0286, "faults": {"TIMED_OUT": 2}, "mean_ms": 118.2},
        ],
    }


def of_analytics(text: str = TEXT) -> Json:
    days = [
        {
            "day": f"2026-11-{day:02d}",
            "starts": 4 + day,
            "completed": 2 + day // 2,
            "completion_rate": 0.5,
            "handoffs": day % 3,
            "turns": 30 + day,
            "faults": 0,
            "missed": day % 4,
            "p50_ms": 11.4,
            "p95_ms": None if day == 3 else 71.9,
            "satisfaction": 0.7,
        }
        for day in range(1, 22)
    ]
    names = ("visits", "stopped", "ended", "handoffs", "missed", "escalated")
    states = [
        {"state": state, "reached": count, "reached_share": count / 150, "stopped_share": 0.1, **dict.fromkeys(names, 3)}
        for state, count in (("intake", 150), (text, 90), ("done", 75))
    ]
    version = {"version": 3, "starts": 150, "completed": 75, "completion_rate": 0.5, "handoff_rate": 0.08, "missed": 14, "p95_ms": 71.9}
    return {
        **head("analytics", text),
        "project": {},
        "flow": {"flow_id": "permit", "name": text},
        "since": "2026-11-01",
        "until": "2026-11-21",
        "version": None,
        "environment": "production",
        "channel": "",
        "counted_at": "2026-11-21T09:00:00+00:00",
        "now": _overview(150, text),
        "earlier": {"since": "2026-10-11", "until": "2026-10-31", **_overview(120, text)},
        "days": days,
        "funnel": {"sessions": 150, "states": states, "moves": [{"from_state": "intake", "to_state": text, "count": 90}]},
        "versions": [{**version, "satisfaction": 0.7}],
    }


def of_experiment(text: str = TEXT) -> Json:
    from experiments.core.analysis import Arm, Asked, Question, analyse
    from experiments.core.metrics import Metric
    from experiments.core.sums import Sums

    def sums(n: int, y: float) -> Sums:
        return Sums(n, y, y, n, n, y)

    completed, handed = Metric(key="completed", measure="completion"), Metric(key="handed", measure="handoff_rate")
    arms = [Arm(key="control", control=True, share=0.5, exposed=2000), Arm(key="short", control=False, share=0.5, exposed=2010)]
    counted = {
        ("completed", "control"): sums(2000, 900),
        ("completed", "short"): sums(2010, 1150),
        ("handed", "control"): sums(2000, 200),
        ("handed", "short"): sums(2010, 210),
    }
    asked = [Asked(metric=completed, role="primary"), Asked(metric=handed, role="guardrail", margin=0.02)]
    plan = {
        "id": "x",
        "key": "short-intake",
        "name": text,
        "hypothesis": text,
        "kind": "flow",
        "state": "running",
        "unit": "user",
        "allocation": "hash",
        "seed": "t:short-intake",
        "hash_version": 2,
        "coverage": 1.0,
        "targeting": {"locale": {"$in": ["en", text]}},
        "stats_mode": "sequential",
        "alpha": 0.05,
        "power": 0.8,
        "minimum_effect": 0.05,
        "baseline": 0.45,
        "auto_stop": True,
        "ramp": [],
        "phase": 1,
        "stop_reason": text,
        "base_sha256": "ab" * 32,
        "states": ["intake"],
        "flow": text,
        "environment": "production",
        "base": 4,
        "namespace": "",
        "holdout": "",
        "starts_at": "",
        "ends_at": "",
        "started_at": "2026-11-01T08:00:00+00:00",
        "stopped_at": "",
    }
    decision = {"number": 1, "phase": 1, "verdict": "promote", "variant": "short", "reason": text, "by": "Ada", "at": "2026-11-20T10:00:00+00:00"}
    variant = {"name": text, "percentage": 50.0, "version": 5, "model": "", "modifications": {"greeting": text}}
    days = [
        {"day": f"2026-11-{day:02d}", "arms": {arm: {"units": 100 * day, "metrics": {"completed": 0.45}} for arm in ("control", "short")}}
        for day in range(1, 15)
    ]
    return {
        **head("experiment", text),
        "project": {},
        "plan": plan,
        "numbers": analyse(arms, asked, counted, Question()),
        "counted_at": "2026-11-21T09:00:00+00:00",
        "days": days,
        "funnel": [{"state": text, "arm": arm, "units": 1000, "reached": 0.4} for arm in ("control", "short")],
        "decisions": [{**decision, "digest": "cd" * 32, "previous_digest": ""}],
        "chain": "whole",
        "variants": [{"key": "control", "control": True, **variant, "modifications": {}}, {"key": "short", "control": False, **variant}],
        "metrics": [
            {"key": "completed", "name": text, "role": "primary", "margin": 0.0, "measure": "completion", "of": ""},
            {"key": "handed", "name": "Handed over", "role": "guardrail", "margin": 0.02, "measure": "handoff_rate", "of": ""},
        ],
    }


GATHERED = {
    "project": of_project,
    "period": of_period,
    "comparison": of_comparison,
    "analytics": of_analytics,
    "experiment": of_experiment,
}


def composed(kind: str, text: str = TEXT, **changes: Any) -> Json:
    """As the services freeze it: through JSON."""
    import json

    made: Json = json.loads(documents.canonical(kinds.compose({**GATHERED[kind](text), **changes})))
    return made
