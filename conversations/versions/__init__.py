"""Live versions: which conversations run which version, and how they come to another (docs/live_versions.md)."""

from conversations.versions.counts import Live, live, live_states, waiting_for
from conversations.versions.following import follow
from conversations.versions.planning import activated, apply, change, create, delete, dry_run, plan, plans, revert, reverted, stop, work_of
from conversations.versions.running import run_apply, run_dry, run_revert, start_due

__all__ = [
    "Live",
    "activated",
    "apply",
    "change",
    "create",
    "delete",
    "dry_run",
    "follow",
    "live",
    "live_states",
    "plan",
    "plans",
    "revert",
    "reverted",
    "run_apply",
    "run_dry",
    "run_revert",
    "start_due",
    "stop",
    "waiting_for",
    "work_of",
]
