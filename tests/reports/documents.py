"""Documents of any size, made without a database."""

from typing import Any

from reports.core import document

CATEGORIES = ("egress", "accessibility", "fire", "structure", "energy")
SEVERITIES = ("critical", "major", "minor", "info")


def gathered(findings: int = 30, *, text: str = "Clear width 762 mm is 51 mm below the required 813 mm.", **changes: Any) -> dict[str, Any]:
    rules = {
        f"IBC21-10{n:02d}-RULE": {
            "title": f"Rule number {n}",
            "section": f"10{n:02d}.{n}",
            "category": CATEGORIES[n % 5],
            "severity": SEVERITIES[n % 4],
            "edition": "2021",
        }
        for n in range(20)
    }
    counts = {
        key: {"pass": 40 + n, "fail": findings // 16 if n < 16 else 0, "not_applicable": 7, "not_evaluable": n % 3} for n, key in enumerate(rules)
    }
    made = {
        "kind": "run",
        "title": "Harbour Office, Tower A",
        "locale": "en",
        "units": "metric",
        "made_at": "2026-11-21T09:00:00Z",
        "number": "R-2026-00042",
        "revision": 1,
        "supersedes": "",
        "sections": [
            "control",
            "summary",
            "scope",
            "findings",
            "plans",
            "passed",
            "waivers",
            "data_quality",
            "signoff",
            "element_index",
            "verification",
        ],
        "project": {
            "name": "Harbour Office",
            "address": "1 Quay Street, Seattle",
            "permit_number": "BLD-2024-0815",
            "permit_application_date": "2024-05-01",
            "jurisdiction": {"code": "US-WA-SEA", "name": "Seattle"},
        },
        "building": {"name": "Tower A"},
        "basis": {
            "editions": [
                {
                    "title": "International Building Code",
                    "edition": "2021",
                    "publisher": "ICC",
                    "effective_from": "2024-03-15",
                    "legal_reference": "WAC 51-50",
                }
            ],
            "rule_sets": [{"slug": "ibc-2021", "title": "International Building Code 2021", "version": "1.0.0", "sha256": "ab" * 32}],
            "amendments": [{"jurisdiction": "US-WA", "rule": "IBC21-1020.5-DEAD-END", "action": "override_params", "citation": "WAC 51-50-1020"}],
        },
        "model": {
            "file_name": "tower_a.ifc",
            "sha256": "cd" * 32,
            "schema": "IFC4",
            "application": "Demo",
            "elements": 812,
            "state": "ready",
            "integrity_text": "12,345 of 12,345 statements",
        },
        "engine": {"version": "1.0.0", "distribution": ["Owner", "Authority"]},
        "history": [],
        "score": 87.3,
        "coverage": 0.932,
        "status": "non-compliant",
        "counts": counts,
        "rules": rules,
        "findings": [finding(n, list(rules)[n % 16], rules, text) for n in range(findings)],
        "not_evaluable": [{"rule": "IBC21-1023.2-EXIT-STAIR-RATING", "title": "Exit stair rating", "missing": ["e.fire_rating_min"], "subjects": 12}],
        "unlock": [{"fact": "e.fire_rating_min", "rules": 4, "subjects": 41}],
        "waivers": [
            {
                "number": "W-1",
                "rule": "IBC21-1003-RULE",
                "kind": "variance",
                "justification": "Existing shaft, see drawing A-101.",
                "approver": "R. Official",
                "authority_reference": "V-77/24",
                "expires_on": "2027-01-31",
            }
        ],
        "data_quality": [{"kind": "duplicate_global_id", "detail": "Two elements share 0Xy…", "count": 2}],
        "plans": [],
        "trend": [{"at": f"2026-11-{n:02d}", "score": 60 + 3 * n, "coverage": 70 + 2 * n} for n in range(1, 10)],
        "elements": [
            {"global_id": f"{n:022d}", "ifc_class": "IfcDoor", "name": f"Door {n}", "storey_name": "Level 1", "findings": [n + 1]}
            for n in range(min(findings, 50))
        ],
        "parties": [
            {"role": "Architect", "name": "A. Rchitect", "licence": "WA 1234"},
            {"role": "Code official", "name": "R. Official", "licence": ""},
        ],
    }
    return {**made, **changes}


def finding(number: int, rule: str, rules: dict[str, Any], text: str) -> dict[str, Any]:
    about = rules[rule]
    return {
        "id": f"{number:040x}",
        "rule": rule,
        "title": about["title"],
        "section": about["section"],
        "edition": about["edition"],
        "severity": about["severity"],
        "category": about["category"],
        "discipline": "architecture",
        "subject": f"{number:022d}",
        "name": f"Door {number}",
        "tag": f"D-{number}",
        "ifc_class": "IfcDoor",
        "storey": "S1",
        "storey_name": f"Level {number % 5}",
        "at_text": f"{number % 40}.00 / 3.20 / 0.00",
        "required": 0.813,
        "actual": 0.762,
        "margin": -0.051,
        "unit": "m",
        "required_text": "813 mm",
        "actual_text": "762 mm",
        "margin_text": "−51 mm",
        "message": text,
        "evidence": [
            {"fact": "e.clear_width", "value": 0.762, "source": "attribute:OverallWidth", "assumed": True, "note": "frame of 50 mm on each side"}
        ],
        "evidence_text": "clear_width 762 mm (OverallWidth, assumed)",
        "parameters": {"min": {"value": 0.813, "unit": "m", "origin": "rule"}},
        "state": "open",
        "responsible": "A. Rchitect",
        "due": "2026-12-31",
        "waiver": "W-1" if number % 11 == 3 else "",
    }


def composed(findings: int = 30, **changes: Any) -> dict[str, Any]:
    return document.compose(gathered(findings, **changes))
