"""What the registry computes: drift that is more than chance, versions side by side, cards, approval, the paired bootstrap."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from mcp_platform.ml.core import bootstrap, card, comparison, drift, gates
from mcp_platform.ml.core.comparison import Measure, Style
from mcp_platform.ml.core.gates import Gate

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 400), max_size=6)


@given(COUNTS, COUNTS)
def test_an_index_is_never_negative_and_nothing_is_lost(before: dict[str, int], after: dict[str, int]) -> None:
    found = drift.shift("told", "Told", before, after)
    if not sum(before.values()) or not sum(after.values()):
        assert found is None
        return
    assert found is not None
    assert found.index >= -0.001
    assert sum(one.before for one in found.bins) == pytest.approx(1, abs=0.01)
    assert sum(one.after for one in found.bins) == pytest.approx(1, abs=0.01)


def test_the_same_shares_do_not_drift() -> None:
    found = drift.shift("told", "Told", {"a": 100, "b": 300}, {"a": 25, "b": 75})
    assert found is not None
    assert (found.index, found.reading) == (0.0, "stable")


def test_another_population_is_drift_and_the_formula_is_the_known_one() -> None:
    found = drift.shift("told", "Told", {"a": 500, "b": 500}, {"a": 800, "b": 200})
    assert found is not None
    assert found.index == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5), abs=1e-3)
    assert found.reading == "drifted"


@pytest.mark.parametrize("bins", [2, 5, 10, 40])
def test_what_chance_explains_is_as_large_as_chance_makes_it(bins: int) -> None:
    """Two samples of one population, 2,000 times: about one in a hundred lies beyond."""
    dice = np.random.default_rng(5)
    before, after = dice.multinomial(2_000, [1 / bins] * bins, 2_000) / 2_000, dice.multinomial(1_000, [1 / bins] * bins, 2_000) / 1_000
    indices = ((after - before) * np.log(np.maximum(after, 1e-6) / before)).sum(axis=1)
    assert 0.004 <= (indices > drift.by_chance(bins, 2_000, 1_000)).mean() <= 0.025
    assert drift.by_chance(bins, 2_000, 1_000) == pytest.approx(stats.chi2.ppf(0.99, bins - 1) * (1 / 2_000 + 1 / 1_000), rel=0.03)


def test_a_small_sample_of_many_classes_is_not_called_drift() -> None:
    """Sixty messages over forty intents: the plain index cries wolf."""
    dice = np.random.default_rng(1)
    names = [f"intent {number}" for number in range(40)]
    before = dict.fromkeys(names, 25)
    after = dict(zip(names, dice.multinomial(60, [1 / 40] * 40).tolist(), strict=True))
    found = drift.shift("told", "Told", before, after)
    assert found is not None
    assert found.reading == "stable"
    plain = drift.stability([1 / 40] * 40, [count / 60 for count in after.values()])
    assert plain > drift.STRONG


def test_rare_classes_stand_together() -> None:
    found = drift.shift("told", "Told", {"a": 600, "b": 399, "c": 1}, {"a": 60, "b": 40, "d": 2})
    assert found is not None
    assert [one.label for one in found.bins] == ["a", "b", drift.OTHERS]


def test_days_with_too_little_are_no_points() -> None:
    monday = date(2026, 3, 2)
    days = [(monday + timedelta(days=n), count, {"told": {"a": count // 2, "b": count - count // 2}}) for n, count in enumerate((10, 100, 200))]
    found = drift.drift({"told": "Told"}, {"told": {"a": 900, "b": 100}}, days)
    assert [point.day.day for point in found.points] == [3, 4]
    assert found.worst is not None
    assert (found.worst.name, found.worst.reading) == ("told", "drifted")
    assert found.since_first[0].reading == "stable"


RIGHT, SLOW = Measure(path="model.right", title="Right"), Measure(path="ms", title="Time", better=-1, style=Style.NUMBER)


def test_versions_stand_side_by_side() -> None:
    versions: list[dict[str, Any]] = [{"model": {"right": 0.8}, "ms": 4.0}, {"model": {"right": 0.9}, "ms": 5.0}, {"model": {"right": 0.9}}]
    first, second = comparison.side_by_side([RIGHT, SLOW], versions, 0)
    assert [cell.value for cell in first.cells] == [0.8, 0.9, 0.9]
    assert [cell.against for cell in first.cells] == [None, pytest.approx(0.1), pytest.approx(0.1)]
    assert [cell.verdict for cell in first.cells] == [0, 1, 1]
    assert [cell.best for cell in first.cells] == [False, True, True]
    assert [cell.verdict for cell in second.cells] == [0, -1, 0], "slower is worse, and what was not measured is neither"
    assert [cell.best for cell in second.cells] == [True, False, False]


def test_a_kind_that_says_nothing_shows_its_numbers() -> None:
    found = comparison.found_in([{"accuracy": 0.5, "confusion": [1], "ready": True, "nan": float("nan")}])
    assert [one.path for one in found] == ["accuracy"]


@pytest.mark.parametrize(
    ("value", "style", "shown", "difference"),
    [
        (0.125, Style.SHARE, "12.5 %", "+12.5 pp"),
        (1234.0, Style.COUNT, "1,234", "+1,234"),
        (None, Style.NUMBER, "–", ""),
        (0.0, Style.NUMBER, "0", "±0"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, style: Style, shown: str, difference: str) -> None:
    assert comparison.shown(value, style) == shown
    assert comparison.difference(value, style) == difference


def test_a_card_cannot_smuggle_markup() -> None:
    identity = card.Identity(
        title="Intents", kind="intent", subject="flow:a", number=3, status="Candidate", sha256="ab", data_sha256="cd", size=10,
        created_by="user:1", created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    lines = comparison.side_by_side([RIGHT], [{"model": {"right": 0.8}}], None)
    text = card.markdown(
        identity, {"limits": "<script>|x|[a](b)\n# h", "intents": {"buy": 3}, "purpose": "To know."}, lines, [Gate(name="g", passed=False, why="few")]
    )
    assert text.startswith("# Intents: flow:a, version 3\n")
    assert text.index("## Purpose") < text.index("## Limits") < text.index("## Intents")
    assert "\\<script\\>\\|x\\|\\[a\\](b) \\# h" in text
    assert "- buy: 3" in text
    assert "| Right | 80.0 % |" in text
    assert "| g | closed | few |" in text


@pytest.mark.parametrize(
    ("policy", "actor", "passed"),
    [
        ("automatic", "system", []),
        ("person", "system", [False]),
        ("person", "key:1", [False]),
        ("person", "user:1", [True]),
        ("second_person", "user:1", [False]),
        ("second_person", "user:2", [True]),
    ],
)
def test_who_may_approve(policy: str, actor: str, passed: list[bool]) -> None:
    assert [gate.passed for gate in gates.approval(policy, actor=actor, trainer="user:1")] == passed


def test_calibration_error_is_the_mean_distance() -> None:
    assert gates.calibration_error([{"count": 30, "confidence": 0.9, "right": 0.8}, {"count": 10, "confidence": 0.5, "right": 0.9}]) == 0.175
    assert gates.calibration_error([]) is None


def test_a_better_model_is_seen_and_the_same_one_is_not() -> None:
    dice = np.random.default_rng(3)
    wanted = [f"i{number}" for number in dice.integers(0, 5, 300)]
    good = [one if dice.random() < 0.9 else "i0" for one in wanted]
    poor = [one if dice.random() < 0.6 else "i1" for one in wanted]
    found = bootstrap.macro_f1_gain(wanted, good, poor)
    assert found is not None
    assert found.low > 0
    expected = f1_score(wanted, good, average="macro") - f1_score(wanted, poor, average="macro")
    assert found.value == pytest.approx(expected, abs=1e-4)
    worse = bootstrap.macro_f1_gain(wanted, poor, good)
    assert worse is not None
    assert worse.high < 0
    same = bootstrap.macro_f1_gain(wanted, good, good)
    assert same == bootstrap.Gain(value=0.0, low=0.0, high=0.0, examples=300)
