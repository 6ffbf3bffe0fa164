"""A feature document evaluated as GrowthBook's SDKs do: rules, prerequisites, forced values, rollouts and experiments with sticky buckets.

The platform serves such a document of its own experiments; this is what a client's SDK does with it, so that a test can hold both equal.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from experiments.core import assign, targeting

Json = Mapping[str, Any]
DEFAULT_ATTRIBUTE: Final = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`sticky` is None when buckets do not stick; else the documents by `attribute||value`: {"assignments": {"key__version": "variation"}}."""

    attributes: Json = field(default_factory=dict)
    features: Json = field(default_factory=dict)
    groups: Json = field(default_factory=dict)
    forced: Mapping[str, int] = field(default_factory=dict)
    sticky: Mapping[str, Json] | None = None
    enabled: bool = True
    qa_mode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What running one experiment gave; `variation` is 0 for a unit that takes no part. `remember`: the sticky document to keep, if any."""

    variation: int
    value: Any
    included: bool
    hashed: bool = False
    attribute: str = DEFAULT_ATTRIBUTE
    unit: Any = ""
    bucket: float | None = None
    sticky: bool = False
    key: str = ""
    passthrough: bool = False
    remember: tuple[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """`source`: unknownFeature, cyclicPrerequisite, prerequisite, force, experiment or defaultValue."""

    value: Any
    source: str
    ran: Ran | None = None
    experiment: Json | None = None


def evaluate(key: str, context: Context, seen: frozenset[str] = frozenset()) -> Evaluated:
    """The value of a feature; the first rule that applies gives it. `seen`: the features whose prerequisites are being looked at."""
    if key not in context.features:
        return Evaluated(value=None, source="unknownFeature")
    if key in seen:
        return Evaluated(value=None, source="cyclicPrerequisite")
    feature = context.features[key] or {}
    for rule in feature.get("rules") or ():
        found = _by_rule(key, rule, context, seen | {key})
        if isinstance(found, Evaluated):
            return found
        if found is not None and found.remember is not None:
            document, held = found.remember
            context = replace(context, sticky={**(context.sticky or {}), document: held})
    return Evaluated(value=feature.get("defaultValue"), source="defaultValue")


def _by_rule(key: str, rule: Json, context: Context, seen: frozenset[str]) -> Evaluated | Ran | None:
    """None: the next rule. So is an experiment that passes through, but its bucket sticks for the rules after it."""
    verdict = prerequisites(rule.get("parentConditions") or (), context, seen)
    if verdict in _ENDS:
        return Evaluated(value=None, source=_ENDS[verdict])
    if verdict == "fail" or not _condition_fits(rule, context) or filtered_out(rule.get("filters") or (), context):
        return None
    if rule.get("force") is not None:
        included = in_rollout(rule.get("seed") or key, rule, context)
        return Evaluated(value=rule["force"], source="force") if included else None
    if rule.get("variations") is None:
        return None
    experiment = {**rule, "key": rule.get("key") or key}
    experiment.pop("parentConditions", None)  # looked at already, with the gate that only a rule has
    ran = run(experiment, context)
    if not ran.included or ran.passthrough:
        return ran if ran.included else None
    return Evaluated(value=ran.value, source="experiment", ran=ran, experiment=experiment)


_ENDS: Final = {"gate": "prerequisite", "cyclic": "cyclicPrerequisite"}


def prerequisites(conditions: Sequence[Json], context: Context, seen: frozenset[str]) -> str:
    """pass, fail, gate or cyclic: what the values of other features say."""
    for one in conditions:
        if one.get("id") is None:
            continue
        parent = evaluate(one["id"], context, seen)
        if parent.source == "cyclicPrerequisite":
            return "cyclic"
        if one.get("condition") is None:
            continue
        if not targeting.matches({"value": parent.value}, one["condition"], context.groups):
            return "gate" if one.get("gate") else "fail"
    return "pass"


def _condition_fits(rule: Json, context: Context) -> bool:
    return not rule.get("condition") or targeting.matches(context.attributes, rule["condition"], context.groups)


def unit_of(context: Context, attribute: str | None, fallback: str | None = None) -> tuple[str, Any]:
    """The attribute that is hashed and its value, "" when there is none. Only texts and finite numbers but 0 name a unit."""
    name = attribute if attribute is not None else DEFAULT_ATTRIBUTE
    if _names_a_unit(context.attributes.get(name)):
        return name, context.attributes[name]
    if fallback and _names_a_unit(context.attributes.get(fallback)):
        return fallback, context.attributes[fallback]
    return name, ""


def _names_a_unit(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return value != ""
    try:
        return isinstance(value, int | float) and value != 0 and math.isfinite(value)
    except OverflowError:
        return False


def _text(unit: Any) -> str:
    return unit if isinstance(unit, str) else targeting.number_text(unit)


def in_rollout(seed: str, rule: Json, context: Context) -> bool:
    coverage, span = rule.get("coverage"), rule.get("range")
    if coverage is None and span is None:
        return True
    if coverage == 0 and span is None:
        return False
    _, unit = unit_of(context, rule.get("hashAttribute"), rule.get("fallbackAttribute"))
    bucket = assign.hash_unit(seed, _text(unit), rule.get("hashVersion") or 1) if unit != "" else None
    if bucket is None:
        return False
    return assign.in_range(bucket, span) if span else bucket < float(coverage or 0)


def filtered_out(filters: Sequence[Json], context: Context) -> bool:
    for one in filters:
        _, unit = unit_of(context, one.get("attribute", DEFAULT_ATTRIBUTE))
        bucket = assign.hash_unit(one.get("seed", ""), _text(unit), one.get("hashVersion", 2)) if unit != "" else None
        if bucket is None or not any(assign.in_range(bucket, span) for span in one["ranges"]):
            return True
    return False


def run(experiment: Json, context: Context) -> Ran:
    """Which variation this context gets of one experiment."""
    count = len(experiment.get("variations") or ())
    if count < 2 or not context.enabled:
        return _result(experiment, context)
    forced = context.forced.get(experiment.get("key", ""))
    if forced is not None:
        return _result(experiment, context, forced)
    if experiment.get("status") == "draft" or experiment.get("active") is False:
        return _result(experiment, context)
    attribute, unit = unit_of(context, experiment.get("hashAttribute"), _fallback(experiment, context))
    if unit == "":
        return _result(experiment, context)
    return _hashed(experiment, context, attribute, _text(unit))


def _fallback(experiment: Json, context: Context) -> str | None:
    return experiment.get("fallbackAttribute") if _sticks(experiment, context) else None


def _sticks(experiment: Json, context: Context) -> bool:
    return context.sticky is not None and not experiment.get("disableStickyBucketing")


def _hashed(experiment: Json, context: Context, attribute: str, unit: str) -> Ran:
    held, blocked = sticky_variation(experiment, context) if _sticks(experiment, context) else (-1, False)
    if held < 0 and _left_out(experiment, context, unit):
        return _result(experiment, context)
    bucket = assign.hash_unit(experiment.get("seed") or experiment.get("key", ""), unit, experiment.get("hashVersion") or 1)
    if bucket is None:
        return _result(experiment, context)
    chosen = held if held >= 0 else assign.choose_variation(bucket, ranges_of(experiment))
    if blocked:
        return _result(experiment, context, sticky=True)
    if chosen < 0:
        return _result(experiment, context)
    if experiment.get("force") is not None:
        return _result(experiment, context, experiment["force"])
    if context.qa_mode or experiment.get("status") == "stopped":
        return _result(experiment, context)
    return _result(experiment, context, chosen, bucket=bucket, sticky=held >= 0, remembered=(attribute, unit))


def ranges_of(experiment: Json) -> Sequence[Sequence[float]]:
    if experiment.get("ranges"):
        found: Sequence[Sequence[float]] = experiment["ranges"]
        return found
    coverage = experiment.get("coverage")
    return assign.bucket_ranges(len(experiment["variations"]), 1.0 if coverage is None else coverage, experiment.get("weights"))


def _left_out(experiment: Json, context: Context, unit: str) -> bool:
    namespace = experiment.get("namespace")
    if experiment.get("filters"):
        if filtered_out(experiment["filters"], context):
            return True
    elif namespace and not assign.in_namespace(unit, (namespace[0], namespace[1], namespace[2])):
        return True
    if not _condition_fits(experiment, context):
        return True
    return prerequisites(experiment.get("parentConditions") or (), context, frozenset()) != "pass"


def sticky_variation(experiment: Json, context: Context) -> tuple[int, bool]:
    """(the variation that the unit has had, or -1; whether a bucket of an older version shuts it out)."""
    held = _assignments(experiment, context)
    key, version, least = experiment.get("key", ""), experiment.get("bucketVersion") or 0, experiment.get("minBucketVersion") or 0
    if any(f"{key}__{old}" in held for old in range(least)):
        return -1, True
    name = held.get(f"{key}__{version}")
    meta = experiment.get("meta") or ()
    return (next((index for index, one in enumerate(meta) if one.get("key") == name), -1) if name else -1), False


def _assignments(experiment: Json, context: Context) -> Mapping[str, str]:
    """What both attributes remember; the first one's word counts."""
    found: dict[str, str] = {}
    names = [experiment.get("hashAttribute") or DEFAULT_ATTRIBUTE, experiment.get("fallbackAttribute")]
    for name in names:
        if not name:
            continue
        _, unit = unit_of(context, name)
        document = (context.sticky or {}).get(f"{name}||{_text(unit) if unit != '' else ''}", {})
        found = {**document.get("assignments", {}), **found}
    return found


def _result(
    experiment: Json,
    context: Context,
    variation: int = -1,
    *,
    bucket: float | None = None,
    sticky: bool = False,
    remembered: tuple[str, str] | None = None,
) -> Ran:
    variations = experiment.get("variations") or ()
    included = 0 <= variation < len(variations)
    index = variation if included else 0
    meta = experiment.get("meta") or ()
    about = meta[index] if index < len(meta) else {}
    attribute, unit = unit_of(context, experiment.get("hashAttribute"), _fallback(experiment, context))
    name = about.get("key") or str(index)
    return Ran(
        variation=index,
        value=variations[index] if variations else None,
        included=included,
        hashed=bucket is not None,
        attribute=attribute,
        unit=unit,
        bucket=bucket,
        sticky=sticky,
        key=name,
        passthrough=bool(about.get("passthrough")),
        remember=_remember(experiment, context, *remembered, name) if remembered and _sticks(experiment, context) else None,
    )


def _remember(experiment: Json, context: Context, attribute: str, unit: str, name: str) -> tuple[str, Json] | None:
    """The document with this bucket in it; None when it is there already."""
    key = f"{attribute}||{unit}"
    held = dict((context.sticky or {}).get(key, {}).get("assignments", {}))
    bucket = f"{experiment.get('key', '')}__{experiment.get('bucketVersion') or 0}"
    if held.get(bucket) == name:
        return None
    return key, {"attributeName": attribute, "attributeValue": unit, "assignments": {**held, bucket: name}}
