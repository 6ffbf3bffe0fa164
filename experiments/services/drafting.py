"""Modifications of a variant made from documents: the flow's draft, another version of it, or the base with one state written anew."""

import json
from collections.abc import Mapping
from typing import Any

from experiments.core import patches
from experiments.core.overlay import overlay
from experiments.errors import OverlayRefused, PlanRefused
from experiments.models import Experiment, Variant
from experiments.services.checking import fault
from experiments.services.planning import running_base
from flows import queries as flows
from flows import services as flow_services

Json = Any
Modified = tuple[str, Json]  # patch format, modifications


def of_draft(row: Experiment) -> Modified:
    """What leads from the base to the flow's draft. Raises PlanRefused when that is nothing."""
    return _between(row, json.loads(flow_services.export_flow(row.tenant, flow_id=_flow(row))), "The draft of the flow is what runs already.")


def of_version(row: Experiment, number: int) -> Modified:
    """What leads from the base to another version. Raises VersionNotFound, PlanRefused when that is nothing."""
    return _between(row, json.loads(flows.version(row.tenant, _flow(row), number).definition), "This version is what runs already.")


def states_of(row: Experiment, variant: Variant) -> dict[str, Json]:
    """The states of the variant as they are now. Raises OverlayRefused while its modifications cannot be applied."""
    states: dict[str, Json] = _document(row, variant)["states"]
    return states


def with_state(row: Experiment, variant: Variant, name: str, written: Mapping[str, Json]) -> Modified:
    """The variant's modifications with this state written anew. Raises PlanRefused for a state that is not there."""
    document = _document(row, variant)
    if name not in document["states"]:
        raise PlanRefused(errors=[fault("$.state", "unknown", "is no state of this flow", ", ".join(document["states"]))])
    made = {**document, "states": {**document["states"], name: dict(written)}}
    return patches.between(_base(row), made)


def _document(row: Experiment, variant: Variant) -> dict[str, Json]:
    base = _base(row)
    if not variant.modifications:
        return base
    made, faults = overlay(base, variant.modifications, variant.patch_format)
    if faults:
        raise OverlayRefused(errors=[fault(f"$.modifications{one.path[1:]}", one.code, one.message, one.expected) for one in faults])
    return made


def _base(row: Experiment) -> dict[str, Json]:
    document: dict[str, Json] = json.loads(running_base(row).definition)
    return document


def _between(row: Experiment, other: dict[str, Json], same: str) -> Modified:
    kind, modifications = patches.between(_base(row), other)
    if not modifications:
        raise PlanRefused(same, errors=[])
    return kind, modifications


def _flow(row: Experiment) -> Any:
    if row.flow is None:
        raise PlanRefused(errors=[fault("$.flow", "missing", "is missing", "a flow that runs")])
    return row.flow.pk
