"""Published versions of rule sets never change, whoever asks: ORM, SQL shell or a bug. ADR 0004.

A rebuild of a table on SQLite (what Django does to alter a column) drops its triggers: a migration that touches validation_rule or
validation_rulesetversion must begin with `mutable()` and end with `immutable()` again. tests/validation/test_rule_sets.py fails when one forgets.

Rules may go with their whole tenant or version, so deletes have no trigger; what a published version holds is proved by its content_sha256,
which is compared whenever a rulebook is made.
"""

from mcp_platform.db.operations import Run

VERSION = (
    "id",
    "tenant_id",
    "rule_set_id",
    "number",
    "content_sha256",
    "changelog",
    "overrides",
    "published_at",
)  # not the people: accounts may be deleted
RULE = (
    "id", "tenant_id", "version_id", "key", "title", "kind", "applies_to", "when", "require", "message", "params", "severity", "weight", "category",
    "discipline", "scope", "check_name", "facts", "section", "paraphrase", "url", "rationale", "examples", "exceptions", "ids_xml", "provenance",
    "section_provenance", "source", "is_active", "position",
)  # fmt: skip
VERSION_SAYS = "a published rule set version never changes"
RULE_SAYS = "a rule of a published version never changes"
CLOSED = "('published', 'retired')"


def _columns(names):
    return ", ".join(f'"{name}"' for name in names)


def _sqlite(name, when, table, condition, says):
    return f"CREATE TRIGGER {name} {when} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{says}'); END"


def _closed(row):
    return f"EXISTS (SELECT 1 FROM validation_rulesetversion v WHERE v.id = {row}.version_id AND v.state IN {CLOSED})"


BACK = f"OLD.state IN {CLOSED} AND (NEW.state NOT IN {CLOSED} OR (OLD.state = 'retired' AND NEW.state <> 'retired'))"


def _sqlite_triggers(rule):
    return [
        _sqlite(
            "validation_version_fixed", f"BEFORE UPDATE OF {_columns(VERSION)}", "validation_rulesetversion", f"OLD.state IN {CLOSED}", VERSION_SAYS
        ),
        _sqlite("validation_version_closed", "BEFORE UPDATE OF state", "validation_rulesetversion", BACK, VERSION_SAYS),
        _sqlite("validation_rule_fixed", f"BEFORE UPDATE OF {_columns(rule)}", "validation_rule", f"{_closed('OLD')} OR {_closed('NEW')}", RULE_SAYS),
        _sqlite("validation_rule_late", "BEFORE INSERT", "validation_rule", _closed("NEW"), RULE_SAYS),
    ]


def _function(name, says):
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )


# A trigger's WHEN cannot look into another table on PostgreSQL, so the function of the rules looks itself.
def _postgresql_triggers(rule):
    return [
        _function("validation_version_refuse", VERSION_SAYS),
        f"CREATE TRIGGER validation_version_fixed BEFORE UPDATE OF {_columns(VERSION)} ON validation_rulesetversion "
        f"FOR EACH ROW WHEN (OLD.state IN {CLOSED}) EXECUTE FUNCTION validation_version_refuse()",
        "CREATE TRIGGER validation_version_closed BEFORE UPDATE OF state ON validation_rulesetversion "
        f"FOR EACH ROW WHEN ({BACK}) EXECUTE FUNCTION validation_version_refuse()",
        f"""
CREATE FUNCTION validation_rule_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF {_closed("NEW")} OR (TG_OP = 'UPDATE' AND {_closed("OLD")}) THEN
    RAISE EXCEPTION '{RULE_SAYS}' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$""",
        f"CREATE TRIGGER validation_rule_fixed BEFORE UPDATE OF {_columns(rule)} ON validation_rule "
        "FOR EACH ROW EXECUTE FUNCTION validation_rule_refuse()",
        "CREATE TRIGGER validation_rule_late BEFORE INSERT ON validation_rule FOR EACH ROW EXECUTE FUNCTION validation_rule_refuse()",
    ]


TRIGGERS = {
    "validation_version_fixed": "validation_rulesetversion",
    "validation_version_closed": "validation_rulesetversion",
    "validation_rule_fixed": "validation_rule",
    "validation_rule_late": "validation_rule",
}
TRIGGERS_OF = {"sqlite": _sqlite_triggers, "postgresql": _postgresql_triggers}
DROP = {
    "sqlite": [f"DROP TRIGGER IF EXISTS {name}" for name in TRIGGERS],
    "postgresql": [
        *(f"DROP TRIGGER IF EXISTS {name} ON {table}" for name, table in TRIGGERS.items()),
        "DROP FUNCTION IF EXISTS validation_version_refuse()",
        "DROP FUNCTION IF EXISTS validation_rule_refuse()",
    ],
}


def immutable(rule=RULE):
    """The triggers, with these columns of rules fixed. Drops them first, so that a later migration can end with it."""

    def create(editor):
        drop(editor)
        _run(editor, TRIGGERS_OF[editor.connection.vendor](rule))

    return Run(create, drop)


def mutable(rule=RULE):
    """No triggers, until `immutable()`."""

    def create(editor):
        _run(editor, TRIGGERS_OF[editor.connection.vendor](rule))

    return Run(drop, create)


def drop(editor):
    _run(editor, DROP[editor.connection.vendor])


def _run(editor, statements):
    for statement in statements:
        editor.execute(statement, params=None)
