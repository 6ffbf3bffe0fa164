"""What the project's and the building's rows say, as facts of the building (`b.…`). They are stated by people, so nothing is assumed."""

from typing import Any

from validation.core.building import Fact, Facts
from validation.models import Building, Project


def of(building: Building) -> Facts:
    stated = {**_of_project(building.project), **_of_building(building)}
    return {name: Fact(value=value, source="project") for name, value in stated.items() if value not in (None, "", [])}


def _of_project(project: Project) -> dict[str, Any]:
    return {
        "existing": project.is_existing,
        "construction_type": project.construction_type,
        "sprinklered_nfpa13": project.sprinkler == Project.Sprinkler.NFPA13,
        "sprinklered_nfpa13r": project.sprinkler == Project.Sprinkler.NFPA13R,
    }


def _of_building(building: Building) -> dict[str, Any]:
    groups = [one for one in building.occupancy_groups if isinstance(one, dict) and isinstance(one.get("group"), str)]
    largest = sorted(groups, key=lambda one: (-float(one.get("area_m2") or 0), one["group"]))
    return {
        "occupancy": largest[0]["group"] if largest else None,
        "occupancies": sorted({one["group"] for one in groups}),
        "height": building.height_m,
        "storeys_above": building.storeys_above,
        "storeys_below": building.storeys_below,
        "gross_area": building.gross_area_m2,
    }
