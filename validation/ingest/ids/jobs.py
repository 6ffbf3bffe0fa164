"""The work of the child process: audit files, check models. Paths come in, plain data goes out; nothing is kept."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from validation.ingest import archive, integrity
from validation.ingest.ids import reading, terms
from validation.ingest.ids.terms import Document, Fault
from validation.ingest.refusal import Refused

MAX_MODEL: Final = 1024**3
MAX_RATIO: Final = 60


def audited(job: dict[str, Any]) -> dict[str, Any]:
    document, faults = _audited(Path(job["ids"]).read_bytes())
    return {"verdict": "invalid" if _errors(faults) else "valid", "faults": [fault.shown() for fault in faults], **_contents(document)}


def checked(job: dict[str, Any]) -> dict[str, Any]:
    """verdict: pass, fail or invalid; invalid when the IDS file fails its audit or one of the files cannot be read."""
    document, faults = _audited(Path(job["ids"]).read_bytes())
    shown = [fault.shown() for fault in faults]
    if _errors(faults):
        return {"verdict": "invalid", "faults": shown, "specifications": []}
    outcomes = _outcomes(document, job["ifc"])
    failed = any(outcome["status"] == "fail" for outcome in outcomes)
    return {"verdict": "fail" if failed else "pass", "faults": shown, "specifications": outcomes}


def judged(job: dict[str, Any]) -> dict[str, Any]:
    """Each rule's specification by itself, with every object that it applies to."""
    from validation.ingest.ids import checking

    model = checking.Model(opened(job["ifc"]))
    found: dict[str, dict[str, Any]] = {}
    for key, xml in job["rules"].items():
        document, faults = reading.read(alone(xml))
        if _errors(faults) or not document.specifications:
            found[key] = {"problem": "; ".join(fault.message for fault in faults[:3]) or "There is no specification."}
            continue
        outcome = checking.check(model, document.specifications[0])
        found[key] = {
            "status": outcome.status,
            "problem": outcome.problem,
            "note": outcome.note,
            "subjects": outcome.subjects,
            "nameless": outcome.nameless,
        }
    return {"rules": found}


def alone(xml: str) -> bytes:
    """An IDS file of one specification."""
    return (
        f'<ids xmlns="{terms.IDS_NS}" xmlns:xs="{terms.XS_NS}"><info><title>One rule</title></info><specifications>{xml}</specifications></ids>'
    ).encode()


def _audited(content: bytes) -> tuple[Document, list[Fault]]:
    from validation.ingest.ids import audit

    document, faults = reading.read(content)
    if not document.specifications:
        return document, faults
    return document, (faults + audit.audit(document))[: reading.MAX_FAULTS]


def _errors(faults: list[Fault]) -> bool:
    return any(fault.severity == "error" for fault in faults)


def _contents(document: Document) -> dict[str, Any]:
    named = [
        {
            "name": one.name,
            "identifier": one.identifier,
            "description": one.description,
            "instructions": one.instructions,
            "versions": list(one.versions),
            "usage": one.usage,
            "xml": one.xml,
            "classes": _classes(one),
            "asks": [_asked(facet) for facet in one.requirements],
        }
        for one in document.specifications
    ]
    return {"info": dict(document.info), "specifications": named}


def _asked(facet: terms.Facet) -> str:
    from validation.ingest.ids.checking import asked

    return f"{asked(facet)} is {facet.cardinality}." + (f" {facet.instructions}" if facet.instructions else "")


def _classes(specification: terms.Specification) -> list[str]:
    """The classes it applies to, as IFC writes them; empty when its applicability does not say."""
    from validation.ingest.ids.ifc_schema import schema
    from validation.ingest.ids.values import text_meets

    entity = next((facet for facet in specification.applicability if isinstance(facet, terms.EntityFacet)), None)
    if entity is None or not specification.versions:
        return []
    ifc = schema(specification.versions[-1])
    return sorted(ifc.written(name) for name in ifc.classes if text_meets(name, entity.name))


def _outcomes(document: Document, path: str) -> list[dict[str, Any]]:
    from validation.ingest.ids import checking

    model = checking.Model(opened(path))
    found = []
    for specification in document.specifications:
        outcome = checking.check(model, specification)
        found.append(
            {
                "name": outcome.name,
                "status": outcome.status,
                "usage": specification.usage,
                "applicable": outcome.applicable,
                "passed": outcome.passed,
                "failed": outcome.failed,
                "problem": outcome.problem,
                "note": outcome.note,
                "failures": [
                    {"global_id": one.global_id, "ifc_class": one.ifc_class, "name": one.name, "messages": list(one.messages)}
                    for one in outcome.failures
                ],
            }
        )
    return found


def opened(path: str) -> Any:
    """The model, unpacked when it is an .ifczip. Raises Refused when it is damaged: a model that is there in part could pass for the wrong reason."""
    source = Path(path)
    with source.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if not packed:
        return _loaded(source)
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "model.ifc"
        archive.unpack(source, unpacked, max_bytes=MAX_MODEL, ratio=MAX_RATIO)
        return _loaded(unpacked)


def _loaded(source: Path) -> Any:
    import ifcopenshell
    from ifcopenshell import ifcopenshell_wrapper

    library, settings = cast(Any, ifcopenshell), cast(Any, ifcopenshell_wrapper)
    seen = integrity.scan(source)
    if not seen.is_step or seen.depth > integrity.DEEPEST:
        raise Refused("NOT_A_MODEL", "This is no IFC file in the STEP format.")
    if not seen.schema.startswith(integrity.SCHEMAS):
        raise Refused("SCHEMA_NOT_SUPPORTED", f"The model's schema is {seen.schema[:60] or 'not named'}; IFC2X3, IFC4 and IFC4X3 are read.")
    settings.set_log_format_json()
    try:
        model = library.open(str(source), format=".ifc")
    except Exception as problem:
        raise Refused("PARSER_FAILED", f"The model cannot be opened: {str(problem)[:200]}") from problem
    loaded = sum(1 for _ in model)
    overrun = "'ENDSEC'" in library.get_log()  # the last statement does not end, and the parser has read on
    if not seen.trailer or loaded != seen.statements or overrun:
        raise Refused("TRUNCATED", f"The model is damaged: {loaded:,} of {seen.statements:,} statements could be read.")
    return model


JOBS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {"audit": audited, "check": checked, "judge": judged}


def done(job: dict[str, Any]) -> dict[str, Any]:
    try:
        return JOBS[job["kind"]](job)
    except (Refused, OSError) as problem:
        return {"error": str(problem)[:500]}
    except (MemoryError, RecursionError) as problem:
        return {"error": f"The file is too large or too deeply nested ({type(problem).__name__})."}
    except Exception as problem:  # noqa: BLE001  one job must not end the others
        return {"error": f"{type(problem).__name__}: {str(problem)[:300]}"}
