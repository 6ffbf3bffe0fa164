"""Which rules and numbers are in force, and how each came to be so."""

from datetime import date
from typing import Any

from tests.validation.rules import judged, rule
from validation.core.resolve import AmendmentBasis, Basis, Override, RuleSetBasis, resolve
from validation.core.rulebook import Rulebook
from validation.core.rules import Kind, Outcome, Rule

DAY = date(2024, 5, 1)


def door(minimum: float = 0.8, **more: Any) -> Rule:
    return rule("e.clear_width >= p.min", params={"min": minimum}, **{"key": "DOOR", **more})


def amendment(
    place: str, action: str = "override_params", *, key: str = "DOOR", since: str = "2020-01-01", until: str = "", **more: Any
) -> AmendmentBasis:
    minimum = more.pop("minimum", None)
    return AmendmentBasis(
        id=more.pop("id", f"{place}-{action}"),
        jurisdiction=place,
        rule_key=key,
        action=action,
        citation=f"{place} says so",
        effective_from=date.fromisoformat(since),
        effective_to=date.fromisoformat(until) if until else None,
        values={"min": {"value": minimum, "unit": "m", "display": ""}} if minimum is not None else {},
        **more,
    )


def book(*amendments: tuple[AmendmentBasis, ...], rules: tuple[Rule, ...] = (), **more: Any) -> Rulebook:
    sets = (RuleSetBasis(slug="ibc", version="1.0.0", rules=rules or (door(),), overrides=more.pop("set_values", {})),)
    return resolve(Basis(on=DAY, rule_sets=sets, amendments=amendments, **more))


def test_the_leaf_wins_over_the_root_and_the_project_over_all() -> None:
    state, city = (amendment("US-WA", minimum=0.85),), (amendment("US-WA-SEA", minimum=0.9),)
    one = book(state, city).by_key["DOOR"].params["min"]
    assert (one.value, one.origin, one.unit) == (0.9, "amendment US-WA-SEA-override_params (US-WA-SEA)", "m")
    project = {"DOOR": Override(values={"min": {"value": 0.95, "unit": "m"}}, reason="variance 12")}
    last = book(state, city, overrides=project)
    assert (last.by_key["DOOR"].params["min"].value, last.by_key["DOOR"].params["min"].origin) == (0.95, "project")
    steps = [(step.what, step.did, step.value, step.replaced) for step in last.traces["DOOR"]]
    assert steps == [
        ("ruleset", "add", None, None),
        ("amendment", "override_params", 0.85, 0.8),
        ("amendment", "override_params", 0.9, 0.85),
        ("project", "override_params", 0.95, 0.9),
    ]
    assert last.traces["DOOR"][-1].citation == "variance 12"


def test_only_what_is_in_force_on_the_day_counts() -> None:
    place = (
        amendment("US-WA", minimum=0.7, since="2024-05-02", id="tomorrow"),
        amendment("US-WA", minimum=0.82, since="2010-01-01", until="2024-04-30", id="until yesterday"),
        amendment("US-WA", minimum=0.86, since="2024-05-01", until="2024-05-01", id="today"),
        amendment("US-WA", minimum=0.84, since="2015-01-01", id="older"),
    )
    assert book(place).by_key["DOOR"].params["min"].value == 0.86


def test_a_rule_sets_own_values_come_before_amendments() -> None:
    values = {"DOOR": {"min": {"value": 0.83, "unit": "m", "display": "830 mm"}}}
    found = book(set_values=values).by_key["DOOR"].params["min"]
    assert (found.value, found.origin, found.display) == (0.83, "ruleset", "830 mm")
    assert book((amendment("US", minimum=0.9),), set_values=values).by_key["DOOR"].params["min"].value == 0.9


def test_a_later_rule_set_replaces_rules_of_the_same_key() -> None:
    sets = tuple(RuleSetBasis(slug=slug, version="1.0.0", rules=(door(width),)) for slug, width in (("ibc", 0.8), ("own", 1.0)))
    found = resolve(Basis(on=DAY, rule_sets=sets))
    assert (found.by_key["DOOR"].params["min"].value, found.by_key["DOOR"].ruleset) == (1.0, "own")
    assert [step.did for step in found.traces["DOOR"]] == ["add", "replace"]


def test_rules_are_added_replaced_and_disabled() -> None:
    ramp = rule("e.slope <= p.max", key="RAMP", params={"max": 0.06}, applies_to=("IfcRamp",))
    found = book(
        (amendment("DE", "add", key="RAMP", rule=ramp), amendment("DE", "replace", rule=door(0.9))), (amendment("DE-BY", "disable", key="RAMP"),)
    )
    assert list(found.by_key) == ["DOOR"]
    assert found.by_key["DOOR"].params["min"].origin == "amendment DE-replace (DE)"
    assert (found.by_key["DOOR"].ruleset, found.by_key["DOOR"].version.partition("+")[:2]) == ("ibc", ("1.0.0", "+"))
    # What people decided about a rule is compared with its version: another amendment, another version; none, the bare number.
    other = book((amendment("DE", "replace", rule=door(0.91)),)).by_key["DOOR"].version
    assert len({found.by_key["DOOR"].version, other, "1.0.0"}) == 3
    assert book(()).by_key["DOOR"].version == "1.0.0"
    assert found.disabled["RAMP"].name == "DE-BY-disable (DE-BY)"


def test_a_table_of_values_is_amended_row_by_row() -> None:
    limits = rule(
        "e.travel_distance <= p.limits[b.group].plain",
        key="TRAVEL",
        params={"limits": ({"B": {"plain": 60.96, "wet": 91.44}, "M": {"plain": 60.96}}, "m")},
    )
    change = AmendmentBasis(
        id="NYC",
        jurisdiction="US-NY-NYC",
        rule_key="TRAVEL",
        action="override_params",
        effective_from=DAY,
        values={"limits": {"value": {"M": {"plain": 45.72}}}},
    )
    found = book((change,), rules=(limits,)).by_key["TRAVEL"].params["limits"].value
    assert found == {"B": {"plain": 60.96, "wet": 91.44}, "M": {"plain": 45.72}}


def test_steps_that_cannot_be_applied_are_told_and_change_nothing() -> None:
    wrong_unit = AmendmentBasis(
        id="x", jurisdiction="US", rule_key="DOOR", action="override_params", effective_from=DAY, values={"min": {"value": 900, "unit": "mm"}}
    )
    found = book((
        amendment("US", key="GONE", minimum=1.0, id="a"),
        amendment("US", "disable", key="GONE", id="b"),
        amendment("US", "replace", key="GONE", rule=door(), id="c"),
        amendment("US", "add", rule=door(), id="d"),
        amendment("US", "replace", id="e"),
        wrong_unit,
    ), overrides={"DOOR": Override(values={"max": {"value": 1.0}, "min": {"value": "wide"}})})  # fmt: skip
    assert found.by_key["DOOR"] == book().by_key["DOOR"]
    assert len(found.problems) == 8


def test_the_basis_and_the_book_have_a_hash_of_what_they_say() -> None:
    assert book().sha256 == book().sha256
    assert book().sha256 != book((amendment("US", minimum=0.9),)).sha256
    assert Basis(on=DAY).sha256 == Basis(on=DAY).sha256 != Basis(on=date(2024, 5, 2)).sha256


def test_a_finding_follows_the_amendment() -> None:
    strict = book((amendment("US", minimum=0.9),)).by_key["DOOR"]
    assert judged(door(), e_clear_width=0.85).outcome is Outcome.PASS
    assert judged(strict, e_clear_width=0.85).outcome is Outcome.FAIL


def keys(rules: Any) -> list[str]:
    return [one.key for one in rules]


def indexed() -> Rulebook:
    rules = (
        door(),
        rule("e.fire_rating_min >= 60.0", key="WALL", applies_to=("IfcWall", "IfcWallStandardCase")),
        rule("e.travel_distance <= 60.0", key="TRAVEL", applies_to=("IfcSpace",)),
        rule("e.name != ''", key="ANY", applies_to=("IfcElement",), message="{st.name}"),
        rule("true", key="IDS", applies_to=("IfcDoor",), kind=Kind.IDS),
    )
    return Rulebook(rules=rules, around=frozenset(("IfcSpace.travel_distance",)))


def test_rules_are_found_by_class_with_its_supertypes() -> None:
    found = indexed()
    assert keys(found.of_class("IfcDoorStandardCase")) == ["ANY", "DOOR"]
    assert keys(found.of_class("IfcWallStandardCase")) == ["ANY", "WALL"]
    assert keys(found.of_class("IfcSpace")) == ["TRAVEL"]
    assert keys(found.of_class("IfcNothing")) == []
    assert keys(found.ids_rules) == ["IDS"]


def test_rules_are_found_by_fact_also_by_what_their_words_need() -> None:
    found = indexed()
    assert found.reading(["e.clear_width"]) == {"DOOR"}
    assert found.reading(["st.name", "e.fire_rating_min"]) == {"ANY", "WALL"}


def test_rules_that_look_around_are_known() -> None:
    found = indexed()
    assert keys(found.own_rules("IfcDoor")) == ["DOOR"]
    assert keys(found.around_rules("IfcDoor")) == ["ANY"]
    assert keys(found.around_rules("IfcSpace")) == ["TRAVEL"]
    assert keys(found.own_rules("IfcSpace")) == []


def test_the_table_of_classes_is_that_of_the_schemas() -> None:
    from validation.core.ifc_classes import PARENTS
    from validation.management.commands import ifc_classes

    assert {name: set(parents) for name, parents in PARENTS.items()} == ifc_classes.parents_by_class()
