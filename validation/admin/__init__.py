"""The building-code pages of the admin; importing them registers them."""

from validation.admin import findings, law, projects, revisions, rule_sets, rules, runs, triage, waivers

__all__ = ["findings", "law", "projects", "revisions", "rule_sets", "rules", "runs", "triage", "waivers"]
