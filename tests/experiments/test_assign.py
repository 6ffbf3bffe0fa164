"""Assignment against the reference SDK of the language that it speaks, and the promises that hold whatever the numbers are."""

import random
from typing import Any

import pytest
from growthbook import core as oracle
from growthbook.common_types import EvaluationContext, Experiment, Feature, GlobalContext, Options, StackContext, UserContext
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.core import assign, features, targeting

TEXTS = st.text(max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0, 2.5]),
    st.sampled_from(["", "a", "A", "b", "1", "1.2.3", "v1.2.3-rc.1", "ü", "😀"]),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "length"]), inner, max_size=3), max_leaves=6
)
PATHS = st.sampled_from(["a", "b", "a.b", "a.0", "a.length", "c"])
GROUPS = {
    "plain": ["a", 1, True],
    "list": {"type": "list", "attributeKey": "a", "values": ["a", "b", 2]},
    "cond": {"type": "condition", "condition": {"b": {"$exists": True}}},
    "loop": {"type": "condition", "condition": {"$savedGroup": {"id": "loop"}}},
    "new": {"type": "sql", "query": "?"},
    "bad": {"type": "list", "values": "?"},
}
NAMES = st.sampled_from([*GROUPS, "missing"])
VALUE_OPERATORS = (
    st.dictionaries(
        st.sampled_from(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte", "$type"]), SCALARS, max_size=2
    )
    | st.dictionaries(st.sampled_from(["$in", "$nin", "$ini", "$nini", "$all", "$alli"]), st.lists(SCALARS, max_size=3), max_size=1)
    | st.dictionaries(st.sampled_from(["$inGroup", "$notInGroup"]), NAMES, max_size=1)
    | st.dictionaries(st.sampled_from(["$exists", "$unknown"]), st.booleans(), max_size=1)
    | st.dictionaries(st.sampled_from(["$regex", "$regexi", "$notRegex", "$notRegexi"]), st.sampled_from(["^a", "A", "[", "1.*3"]), max_size=1)
    | st.dictionaries(st.just("$type"), st.sampled_from(["string", "number", "boolean", "array", "object", "null"]), max_size=1)
)
VALUES = st.recursive(
    JSON | VALUE_OPERATORS,
    lambda inner: st.dictionaries(
        st.sampled_from(["$not", "$size", "$elemMatch"]), inner.filter(lambda v: isinstance(v, dict)), min_size=1, max_size=1
    ),
    max_leaves=4,
)
CONDITIONS = st.recursive(
    st.dictionaries(PATHS, VALUES, max_size=2) | st.fixed_dictionaries({"$savedGroup": st.fixed_dictionaries({"id": NAMES})}),
    lambda inner: (
        st.dictionaries(st.sampled_from(["$or", "$nor", "$and"]), st.lists(inner, max_size=3), max_size=1) | st.fixed_dictionaries({"$not": inner})
    ),
    max_leaves=5,
)


@given(TEXTS, TEXTS, st.sampled_from([1, 2, 3]))
def test_the_hash_is_the_same(seed: str, unit: str, version: int) -> None:
    assert assign.hash_unit(seed, unit, version) == oracle.gbhash(seed, unit, version)


@given(st.integers(0, 6), st.floats(-0.5, 1.5), st.none() | st.lists(st.floats(0, 1), max_size=6))
def test_ranges_are_the_same(count: int, coverage: float, weights: list[float] | None) -> None:
    assert assign.bucket_ranges(count, coverage, weights) == oracle.getBucketRanges(count, coverage, weights)


@given(TEXTS, st.floats(0, 1), st.floats(0, 1))
def test_namespaces_are_the_same(unit: str, start: float, end: float) -> None:
    assert assign.in_namespace(unit, ("room", start, end)) == oracle.inNamespace(unit, ("room", start, end))


@settings(max_examples=1500)
@given(st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2), CONDITIONS)
def test_conditions_are_the_same(attributes: dict[str, Any], condition: dict[str, Any]) -> None:
    assert targeting.matches(attributes, condition, GROUPS) == oracle.evalCondition(attributes, condition, GROUPS)


class Sticky:
    """Only its presence counts: the documents are given."""

    def save_assignments(self, doc: Any) -> None:
        pass


def theirs(context: features.Context) -> EvaluationContext:
    made = {key: Feature(**feature) for key, feature in context.features.items()}
    options = Options(enabled=context.enabled, qa_mode=context.qa_mode, sticky_bucket_service=Sticky() if context.sticky is not None else None)  # type: ignore[arg-type]
    user = UserContext(
        attributes=dict(context.attributes),
        forced_variations=dict(context.forced),
        sticky_bucket_assignment_docs={k: dict(v) for k, v in (context.sticky or {}).items()},
    )
    shared = GlobalContext(options=options, features=made, saved_groups=dict(context.groups))
    return EvaluationContext(user=user, global_ctx=shared, stack=StackContext(evaluated_features=set()))


def random_rule(dice: random.Random) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if dice.random() < 0.3:
        rule["condition"] = dice.choice([{"tier": "gold"}, {"tier": {"$ne": "gold"}}, {"n": {"$gt": 2}}])
    if dice.random() < 0.3:
        rule["parentConditions"] = [
            {"id": dice.choice(["f1", "f2", "gone"]), "condition": {"value": {"$exists": dice.random() < 0.7}}, "gate": dice.random() < 0.4}
        ]
    if dice.random() < 0.35:
        rule["force"] = dice.choice(["forced", 1, False])
    else:
        count = dice.randint(1, 3)
        rule |= {"variations": [f"v{n}" for n in range(count)], "meta": [{"key": f"k{n}", "passthrough": dice.random() < 0.15} for n in range(count)]}
        rule |= dice.choice([{}, {"weights": [1 / count] * count}, {"weights": [0.2, 0.8]}, {"ranges": [[0, 0.3], [0.5, 1]]}])
    extras: dict[str, Any] = {
        "coverage": dice.choice([0, 0.4, 1, 2]),
        "hashVersion": dice.choice([1, 2, 7]),
        "seed": dice.choice(["s", ""]),
        "hashAttribute": dice.choice(["id", "anon", "flag"]),
        "fallbackAttribute": "anon",
        "namespace": ["room", 0.2, 0.9],
        "filters": [{"seed": "f", "ranges": [[0, 0.6]], "hashVersion": 2, "attribute": "id"}],
        "bucketVersion": dice.randint(0, 2),
        "minBucketVersion": dice.randint(0, 1),
        "disableStickyBucketing": dice.random() < 0.5,
    }
    return rule | {name: value for name, value in extras.items() if dice.random() < 0.25}


@pytest.mark.parametrize("seed", range(6))
def test_feature_documents_evaluate_to_the_same(seed: int) -> None:
    """Rules, prerequisites, rollouts, experiments, sticky buckets: 200 random documents each."""
    dice = random.Random(seed)
    for _ in range(200):
        document = {f"f{n}": {"defaultValue": f"d{n}", "rules": [random_rule(dice) for _ in range(dice.randint(0, 3))]} for n in range(3)}
        attributes = {
            "id": dice.choice(["u1", "u2", "", 5, 7.5, None]),
            "anon": dice.choice(["x", "y", True]),
            "tier": dice.choice(["gold", "tin"]),
            "n": dice.randint(0, 5),
        }
        sticky = (
            None if dice.random() < 0.5 else {f"id||{attributes['id']}": {"assignments": {f"f0__{dice.randint(0, 2)}": f"k{dice.randint(0, 2)}"}}}
        )
        context = features.Context(
            attributes=attributes,
            features=document,
            sticky=sticky,
            qa_mode=dice.random() < 0.1,
            enabled=dice.random() < 0.9,
            forced={"f1": dice.randint(0, 4)} if dice.random() < 0.2 else {},
        )
        for key in (*document, "gone"):
            ours, expected = features.evaluate(key, context), oracle.eval_feature(key, theirs(context))
            assert (ours.value, ours.source) == (expected.value, expected.source), document
            if ours.ran is not None:
                result = expected.experimentResult
                assert result is not None
                assert (ours.ran.variation, ours.ran.bucket, ours.ran.sticky, ours.ran.hashed) == (
                    result.variationId,
                    result.bucket,
                    result.stickyBucketUsed,
                    result.hashUsed,
                )


def test_running_an_experiment_directly_is_the_same() -> None:
    dice = random.Random(7)
    for n in range(300):
        given_: dict[str, Any] = {
            "key": "e",
            "variations": [0, 1, 2],
            "status": dice.choice(["running", "draft", "stopped"]),
            "active": dice.random() < 0.9,
        }
        given_ |= {"coverage": dice.choice([0.3, 1.0]), "hashVersion": dice.choice([1, 2]), "force": dice.choice([None, None, 1])}
        context = features.Context(attributes={"id": f"u{n}"})
        ours, expected = features.run(given_, context), oracle.run_experiment(Experiment(**given_), evalContext=theirs(context))
        assert (ours.variation, ours.included, ours.bucket) == (expected.variationId, expected.inExperiment, expected.bucket)


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_more_coverage_moves_nobody_who_takes_part(unit: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    bucket = assign.hash_unit("s", unit, 2)
    assert bucket is not None
    first, then = (assign.choose_variation(bucket, assign.bucket_ranges(3, coverage, [0.2, 0.3, 0.5])) for coverage in (low, high))
    assert first in (-1, then)


def test_two_seeds_are_independent() -> None:
    from scipy.stats import chi2_contingency

    table = [[0, 0], [0, 0]]
    for n in range(20_000):
        a, b = (assign.choose_variation(assign.hash_unit(seed, f"u{n}", 2) or 0.0, [(0, 0.5), (0.5, 1)]) for seed in ("one", "two"))
        table[a][b] += 1
    assert chi2_contingency(table)[1] > 0.001


def test_a_pattern_that_backtracks_is_quick() -> None:
    assert not targeting.matches({"a": "a" * 5000 + "!"}, {"a": {"$regex": "^(a+)+$"}})


def test_authors_are_told_what_would_quietly_match_nobody() -> None:
    found = targeting.faults({"a": {"$equals": 1}, "$or": {"b": 1}, "c": {"$regex": "["}})
    assert [path for path, _ in found] == ["$.a.$equals", "$.$or", "$.c.$regex"]
