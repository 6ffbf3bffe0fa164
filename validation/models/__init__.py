"""Tables of the building-code part, by subject: the law (rulebook), what is checked (projects), what was found (results)."""

from validation.models.projects import Building, ChangeBatch, Element, FindingsDiff, LiveSession, ModelRevision, Project
from validation.models.results import Finding, FindingNote, ValidationRun, Waiver, WaiverAttachment
from validation.models.rulebook import Adoption, Amendment, CodeEdition, FactDefinition, IdsSpecification, Jurisdiction, Rule, RuleSet, RuleSetVersion
from validation.models.triage import TriageReading

__all__ = [
    "Adoption",
    "Amendment",
    "Building",
    "ChangeBatch",
    "CodeEdition",
    "Element",
    "FactDefinition",
    "Finding",
    "FindingNote",
    "FindingsDiff",
    "IdsSpecification",
    "Jurisdiction",
    "LiveSession",
    "ModelRevision",
    "Project",
    "Rule",
    "RuleSet",
    "RuleSetVersion",
    "TriageReading",
    "ValidationRun",
    "Waiver",
    "WaiverAttachment",
]
