"""The picture of a flow: everything is in it once, nothing lies on anything else, and arrows lead on to the right."""

from hypothesis import given
from hypothesis import strategies as st

from flows.core.layout import HEIGHT, WIDTH, draw

names = st.lists(st.text("abcdefgh", min_size=1, max_size=4), unique=True, max_size=30)


@st.composite
def flows(choose: st.DrawFn) -> tuple[list[str], str, list[tuple[str, str, str]]]:
    states = choose(names)
    known = st.sampled_from([*states, "missing"])
    return states, choose(known), choose(st.lists(st.tuples(known, known, st.sampled_from(["yes", "no"])), max_size=60))


@given(flows())
def test_every_state_is_drawn_once_and_none_covers_another(flow: tuple[list[str], str, list[tuple[str, str, str]]]) -> None:
    states, start, edges = flow
    drawing = draw(states, start, edges)
    assert [node.name for node in drawing.nodes] == states
    boxes = [(node.x, node.y) for node in drawing.nodes]
    for index, (x, y) in enumerate(boxes):
        assert 0 <= x <= drawing.width - WIDTH
        assert 0 <= y <= drawing.height - HEIGHT
        assert all(abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT for other_x, other_y in boxes[index + 1 :])


@given(flows())
def test_the_same_flow_gives_the_same_drawing(flow: tuple[list[str], str, list[tuple[str, str, str]]]) -> None:
    assert draw(*flow) == draw(*flow)


def test_a_conversation_reads_from_left_to_right() -> None:
    drawing = draw(
        ["ask", "judge", "high", "low", "lost"],
        "ask",
        [("ask", "judge", "filled"), ("judge", "high", "yes"), ("judge", "low", "no"), ("low", "ask", "again")],
    )
    at = {node.name: node for node in drawing.nodes}
    assert at["ask"].x < at["judge"].x < at["high"].x == at["low"].x
    assert not at["lost"].reached
    assert at["lost"].y > max(at[name].y for name in ("ask", "judge", "high", "low"))
    assert {(arrow.source, arrow.target) for arrow in drawing.arrows if arrow.back} == {("low", "ask")}


def test_two_ways_to_the_same_state_are_one_arrow_with_two_labels() -> None:
    (arrow,) = draw(["a", "b"], "a", [("a", "b", "yes"), ("a", "b", "no"), ("a", "gone", "never")]).arrows
    assert arrow.labels == ("yes", "no")
