"""Jobs, sweeps and long work of building codes, by subject. Rows are the truth: a job that is lost is found again by a sweep."""

from validation.tasks import checks, revisions, rules, triage, waivers

__all__ = ["checks", "revisions", "rules", "triage", "waivers"]
