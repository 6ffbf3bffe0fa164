"""What the demo's clients call building parts, and where those are in an imaginary purchasing database."""

from typing import Any, Final

from mcp_platform.metadata import queries, services
from mcp_platform.metadata.core.sample import sample
from mcp_platform.tenancy.models import Tenant, User

CATALOGUE: Final = "part_finder"


def prepare(tenant: Tenant, by: User) -> None:
    """What is there already is left alone."""
    if queries.head(tenant).live is None and not queries.products(tenant).exists():
        services.import_document(tenant, document_=sample(), note="Demo", by=by)


PART_FINDER: Final[dict[str, Any]] = {
    "flow_id": CATALOGUE,
    "name": "Part finder",
    "version": "1.0.0",
    "description": "Finds a building part by whatever somebody calls it, and says where it is in the purchasing database.",
    "initial_state": "ask",
    "metadata": {"offer_as_tool": True},
    "slots": {"part": {"type": "product"}, "quantity": {"type": "integer", "minimum": 1, "maximum": 10_000}},
    "states": {
        "ask": {
            "name": "ask",
            "type": "slot_filling",
            "config": {
                "required_slots": ["part", "quantity"],
                "prompts": {
                    "part": {"en": "Which part are you looking for?", "de": "Welches Bauteil suchen Sie?"},
                    "quantity": {"en": "How many of them?", "de": "Wie viele davon?"},
                },
            },
            "transitions": [{"condition": "slot_filled", "target_state": "found"}],
        },
        "found": {
            "name": "found",
            "type": "end",
            "config": {
                "response_templates": {
                    "en": "{{ slots.quantity }} × {{ labels.part }}: number {{ products.part.database_references['products.product_id'] }} in the database. "
                    "What was sold of it is {{ columns['units sold'] | default('not mapped') }}.",
                    "de": "{{ slots.quantity }} × {{ labels.part }}: Nummer {{ products.part.database_references['products.product_id'] }} in der Datenbank. "
                    "Wie viel davon verkauft wurde: {{ columns['units sold'] | default('nicht zugeordnet') }}.",
                }
            },
        },
    },
}
