"""People name products as they like; the flow gets the canonical one, and its place in the customer's database."""

from typing import Any

import pytest

from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.vocabulary import vocabulary
from tests.dialogues.script import Dialogue, asking, dialogue, run
from tests.metadata.shop import shop

READ, _ = document.read(shop())
assert READ is not None
SHOP = vocabulary(READ, number=1)
MANY, _ = document.read(shop(product_aliases={f"p{n}": {"canonical_id": f"P{n}", "canonical_name": f"Product {n}"} for n in range(12)}))
assert MANY is not None


def buying(rule: Any = "product", **more: Any) -> Any:
    return asking(rule, prompt="Which one?", **more)


def told(about: str, flow: Any, *lines: str, **more: Any) -> Dialogue:
    return dialogue(about, flow, *lines, products=SHOP, **more)


NAMED = "Got {{ labels.x }}, number {{ products.x.database_references['products.product_id'] }}."
CLOTHES = {"type": "product", "categories": ["clothes"]}

DIALOGUES = [
    told(
        "an official name is the product",
        buying(says=NAMED),
        "< Which one?",
        "> Magic Wand Pro",
        '= x "PROD_123"',
        "< Got Magic Wand Pro, number 123.",
    ),
    told("an alias is the product", buying(), "> abra", '= x "PROD_123"'),
    told("an alias in another writing is the product", buying(), "> MAGIC-WAND", '= x "PROD_123"'),
    told("a name in the middle of a sentence is found", buying(), "> I would like the magic wand pro, please", '= x "PROD_123"'),
    told("a misspelt name is found", buying(), "> the magik wand pro", '= x "PROD_123"'),
    told("an id is taken", buying(), "> prod_7", '= x "PROD_7"'),
    told("a name in German", buying(), "> einen Zylinder", '= x "PROD_7"', locale="de"),
    told("what nobody sells is asked again", buying(), "> a submarine", "< I don't know this product.", "< Which one?", "> hat", '= x "PROD_7"'),
    told(
        "what nobody sells in German",
        buying(),
        "> ein Unterseeboot",
        "< Dieses Produkt kenne ich nicht.",
        "< Which one?",
        locale="de",
    ),
    told(
        "a shared name is asked about",
        buying(says=NAMED),
        "> a costume",
        "< Which one do you mean: Velvet Cape, Evening Suit?",
        '& ["Velvet Cape", "Evening Suit"]',
        "> Evening Suit",
        '= x "PROD_9"',
    ),
    told(
        "the answer to which one may be its name",
        buying(),
        "> costume",
        "< Which one do you mean: Velvet Cape, Evening Suit?",
        "> the cape",
        '= x "PROD_8"',
    ),
    told(
        "the answer to which one may be its button",
        buying(),
        "> costume",
        '+ {"slots": {"x": "PROD_8"}}',
        '= x "PROD_8"',
    ),
    told("two products where one is wanted", buying(), "> a hat and a cloak", "< Which one do you mean: Top Hat, Velvet Cape?", "= x null"),
    told("two products where several may be", buying({"type": "product", "multiple": True}), "> a hat and a cloak", '= x ["PROD_7", "PROD_8"]'),
    told(
        "several products have several names",
        buying({"type": "product", "multiple": True}, says="Got {{ labels.x }}: {{ products.x[1].canonical_name }}."),
        "> a hat and a cloak",
        "< Got Top Hat, Velvet Cape: Velvet Cape.",
    ),
    told("only what is in the category", buying(CLOTHES), "> abra", "< I don't know this product.", "< Which one?", "> hat", '= x "PROD_7"'),
    told("few products are offered", buying(CLOTHES), '& ["Evening Suit", "Top Hat", "Velvet Cape"]', "> Velvet Cape", '= x "PROD_8"'),
    dialogue("many products are not offered", buying(), "& []", "> product 3", '= x "P3"', products=vocabulary(MANY)),
    told("an input may be any of its names", buying(), '= x "PROD_123"', "@ done (end)", inputs={"x": "abra"}),
    told("an input that is no product is asked for", buying(), "< Which one?", inputs={"x": "submarine"}),
    dialogue("where there is no metadata nothing is a product", buying(), "> abra", "< I don't know this product.", "< Which one?"),
    told(
        "a column mapping fills a request",
        buying(says="SELECT {{ columns['sales amount'] }} WHERE {{ columns['this month'] | replace('{date_column}', 'sold_at') | truncate(39) }}"),
        "> hat",
        "< SELECT sales.total_amount WHERE DATE_TRUNC('month', sold_at) = DATE_TR…",
    ),
    told("a mapping that is not there is empty", buying(says="[{{ columns['nothing'] | default('none') }}]"), "> hat", "< [none]"),
    told(
        "a product's expression may look at it",
        buying({"type": "product", "expression": "value != 'PROD_9'", "message": "Sold out."}),
        "> evening suit",
        "< Sold out.",
        "< Which one?",
    ),
]


@pytest.mark.parametrize("told", DIALOGUES, ids=str)
def test_products(told: Dialogue) -> None:
    run(told)
