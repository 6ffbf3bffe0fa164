"""How far the conversations of each arm come: state by state against the control, corrected for looking at many states at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from experiments.core import analysis, statistics
from experiments.core.metrics import Metric
from experiments.core.sums import Sums

Json = dict[str, Any]
REACHED: Final = Metric(key="reached", measure="reached_state")


def lifts(
    states: Iterable[str],
    arms: Sequence[tuple[str, bool]],
    held: Mapping[str, Mapping[str, Sums]],
    *,
    mode: str,
    alpha: float,
    many: bool,
    due: bool = True,
) -> list[Json]:
    """`arms`: (key, is it the control). `held`: state -> arm -> sums of exposed units, y the conversations that came there, d all of them.

    Adjusted p values keep the share of false alarms over all states and arms below alpha (Benjamini and Hochberg, 1995). Whether more is better
    is for a reader to say: a state may be an end that nobody wants. Until a test at the end is `due` nothing is tested.
    """
    control = next((key for key, is_control in arms if is_control), "")
    rows: list[Json] = [{"state": state, "arms": [_arm(key, control, held.get(state, {}), mode, alpha, many) for key, _ in arms]} for state in states]
    if not due:
        for row in rows:
            row["arms"] = [{**arm, "p_value": None} if "p_value" in arm else arm for arm in row["arms"]]
    tested = [arm for row in rows for arm in row["arms"] if arm.get("p_value") is not None]
    for arm, adjusted in zip(tested, statistics.benjamini_hochberg([arm["p_value"] for arm in tested]), strict=True):
        arm["adjusted_p_value"], arm["significant"] = adjusted, adjusted < alpha
    return rows


def _arm(key: str, control: str, held: Mapping[str, Sums], mode: str, alpha: float, many: bool) -> Json:
    mine = held.get(key, Sums())
    said = mine.d > 0
    row: Json = {
        "key": key,
        "control": key == control,
        "conversations": mine.d,
        "reached": mine.y,
        "share": mine.ratio if said else None,
        "interval": list(interval(mine, alpha)) if said else None,
    }
    if key == control:
        return row
    base = held.get(control, Sums())
    estimate = analysis.difference(base, mine, REACHED, many, mode, alpha)
    return row | {
        "difference": statistics.plain(estimate) if said and base.d else None,
        "lift": statistics.plain(analysis.lift_of(base, mine, many, mode, alpha)),
        "p_value": estimate.p_value,
        "adjusted_p_value": None,
        "significant": False,
    }


def interval(held: Sums, alpha: float = statistics.ALPHA) -> tuple[float, float]:
    """Wilson's, of a share of `held.d` conversations. Those of one user are alike, so that they count for as many independent ones as would vary as
    much (Korn and Graubard, 1998); where nothing varies, for as many as there are users."""
    share = min(max(held.ratio, 0.0), 1.0)
    spread = held.ratio_variance * (held.n - 1) / held.n
    alike = share * (1 - share) * held.n / spread if spread > 0 else held.n
    independent = min(alike, held.d)
    return statistics.wilson(Sums(n=independent, y=share * independent), alpha)


def in_order(starts: Iterable[str], onward: Mapping[str, Iterable[str]]) -> list[str]:
    """The states as conversations meet them: by their distance from the start, then those that no transition leads to."""
    found = dict.fromkeys(starts)
    waiting = list(found)
    while waiting:
        nexts = [target for state in waiting for target in onward.get(state, ()) if target in onward]
        waiting = [target for target in dict.fromkeys(nexts) if target not in found]
        found.update(dict.fromkeys(waiting))
    return [*(state for state in found if state in onward), *(state for state in onward if state not in found)]
