"""The storey plan: what is drawn, what it says to those who do not see it, and that nothing from a model gets into the markup."""

import xml.etree.ElementTree as ET

import pytest

from tests.validation.plans import Plan
from tests.validation.test_egress import ground, office_floor
from validation.core.building import Element
from validation.core.plan import Drawing, Mark, Route, Seen, draw, points, ways_out
from validation.render.plan import svg

SVG = "{http://www.w3.org/2000/svg}"


def seen(plan: Plan) -> list[Seen]:
    facts = plan.facts()
    return [Seen(element=one.element, facts={**one.facts, **facts.get(one.id, {})}) for one in plan.placed()]


def drawing(plan: Plan, **more: object) -> Drawing:
    storey = next(element for element in plan.elements if element.ifc_class == "IfcBuildingStorey")
    return draw(storey, seen(plan), **more)  # type: ignore[arg-type]


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)


def test_every_element_of_a_layer_is_drawn_with_its_id() -> None:
    root = parsed(svg(drawing(office_floor().wall("W", 0, 2, 10, 2.2).stair("T", 12, 3, 14, 7))))
    ids = {node.get("data-id") for node in root.iter() if node.get("data-id")}
    assert ids == {"C", "A", "B1", "S", "west", "east", "dA", "dB", "dS", "W", "T"}
    assert root.find(f".//{SVG}g[@class='door exit'][@data-id='west']") is not None
    assert root.find(f".//{SVG}g[@class='space corridor']") is not None


def test_what_is_wrong_is_marked_in_more_than_a_colour() -> None:
    marks = {"dA": Mark(severity="critical", count=2, title="0.65 m is too narrow"), "A": Mark(severity="minor")}
    picture = svg(drawing(office_floor(), marks=marks))
    root = parsed(picture)
    found = [node for node in root.iter(f"{SVG}g") if (node.get("class") or "").startswith("finding ")]
    assert [(node.get("class"), node.get("data-id")) for node in found] == [("finding minor", "A"), ("finding critical", "dA")]  # the worst on top
    assert "critical: 0.65 m is too narrow and 1 more" in (found[1].findtext(f"{SVG}title") or "")
    assert found[1].find(f"{SVG}circle") is not None  # a door is small: a ring shows where it is
    assert "url(#hatch-critical)" in picture
    assert "critical (1)" in picture
    assert "Elements with findings: 1 critical, 1 minor." in (root.findtext(f"{SVG}desc") or "")


def test_elements_without_a_layer_are_drawn_only_when_they_are_wrong() -> None:
    plan = office_floor().add("slab", "IfcSlab", ((0, 0), (30, 0), (30, 8), (0, 8)))
    assert 'data-id="slab"' not in svg(drawing(plan))
    assert 'data-id="slab"' in svg(drawing(plan, marks={"slab": Mark(severity="info")}))


def test_the_picture_has_a_title_a_description_a_scale_and_north() -> None:
    root = parsed(svg(drawing(office_floor(), north=30.0)))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "plan-title plan-description"
    assert root.findtext(f"{SVG}title") == "Storey"
    assert "4 spaces and 5 doors. No findings." in (root.findtext(f"{SVG}desc") or "")
    assert "5 m" in [node.text for node in root.iter(f"{SVG}text")]
    north = root.find(f".//{SVG}g[@class='north']")
    assert north is not None
    assert "rotate(30)" in (north.get("transform") or "")


def test_names_are_escaped_and_control_characters_dropped() -> None:
    hostile = '<script>alert(1)</script>"&\x00\x0b\ud800'
    plan = ground().space("A\"'<", hostile, 0, 0, 12, 8)
    picture = svg(
        drawing(plan, marks={"A\"'<": Mark(severity="major", title=hostile)}, routes=[Route(line=((0, 0), (1, 1)), subject=hostile, title=hostile)])
    )
    root = parsed(picture)
    assert "<script" not in picture
    assert not list(root.iter(f"{SVG}script"))
    assert [node.get("data-id") for node in root.iter(f"{SVG}g") if node.get("data-id")] == ["A\"'<", "A\"'<"]


def test_the_same_storey_gives_the_same_bytes() -> None:
    plan = office_floor()
    backwards = Plan(elements=plan.elements[:2] + plan.elements[:1:-1])
    marks = {"dA": Mark(severity="critical"), "A": Mark(severity="minor")}
    assert svg(drawing(plan, marks=marks)) == svg(drawing(backwards, marks=dict(reversed(marks.items()))))


def test_names_are_cut_to_where_they_fit_and_left_out_where_nothing_fits() -> None:
    plan = ground().space("wide", "A rather long name of a meeting room", 0, 0, 4, 4).space("slit", "Duct", 5, 0, 5.3, 8)
    labels = {label.text: label for label in drawing(plan).labels}
    assert len(labels) == 1
    (text, label) = next(iter(labels.items()))
    assert text.startswith("A rather")
    assert text.endswith("…")
    assert label.below == "16.0 m²"


def test_ways_out_come_from_the_facts() -> None:
    routes = ways_out(seen(office_floor()))
    assert [route.subject for route in routes] == ["A", "B1", "C", "S"]
    assert routes[0].title == "Way out of Office, 13.1 m"
    picture = svg(drawing(office_floor(), routes=[*routes, Route(line=points([[0, 0, 3], [1, 1, 3]]), severity="critical")]))
    root = parsed(picture)
    assert [node.get("class") for node in root.iter(f"{SVG}g") if (node.get("class") or "").startswith("route ") or node.get("class") == "route"] == [
        *["route"] * 4,
        "route critical",
    ]


def test_a_route_of_one_point_and_an_empty_storey_are_drawn_without_harm() -> None:
    storey = Element(global_id="S", ifc_class="IfcBuildingStorey", name="Roof")
    root = parsed(svg(draw(storey, [], routes=[Route(line=((0.0, 0.0),))])))
    assert root.findtext(f"{SVG}title") == "Roof"
    assert not list(root.iter(f"{SVG}circle"))[1:]  # north's circle alone


def test_y_points_up_in_the_building_and_down_in_the_picture() -> None:
    root = parsed(svg(drawing(ground().space("A", "Office", 0, 0, 10, 5).space("N", "Office", 0, 20, 10, 25))))
    paths = {node.get("data-id"): node.find(f"{SVG}path") for node in root.iter(f"{SVG}g") if node.get("data-id")}
    south, north = paths["A"], paths["N"]
    assert south is not None
    assert north is not None

    def top(path: ET.Element) -> float:
        return float((path.get("d") or "").split()[1])

    assert top(north) < top(south)


@pytest.mark.parametrize("severity", ["critical", "major", "minor", "info"])
def test_all_severities_have_a_look(severity: str) -> None:
    assert f"hatch-{severity}" in svg(drawing(office_floor(), marks={"A": Mark(severity=severity)}))
