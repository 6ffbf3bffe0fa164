"""Published versions never change, whoever asks: ORM, SQL shell or a bug. ADR 0004.

A rebuild of the table on SQLite (what Django does to alter a column) drops its triggers: such a migration must end with `immutable()` again.
tests/flows/test_immutability.py fails when one forgets.
"""

from mcp_platform.db.operations import Run

FIXED = ("id", "tenant_id", "flow_id", "number", "definition", "sha256", "note", "published_at")  # not published_by: users may be deleted

SQLITE = f"""
CREATE TRIGGER flows_flowversion_immutable BEFORE UPDATE OF {", ".join(FIXED)} ON flows_flowversion
BEGIN SELECT RAISE(ABORT, 'a published flow version never changes'); END
"""
POSTGRESQL = f"""
CREATE FUNCTION flows_flowversion_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a published flow version never changes' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE TRIGGER flows_flowversion_immutable BEFORE UPDATE OF {", ".join(FIXED)} ON flows_flowversion
FOR EACH ROW EXECUTE FUNCTION flows_flowversion_refuse_change()
"""
CREATE = {"sqlite": [SQLITE], "postgresql": [POSTGRESQL]}
DROP = {
    "sqlite": ["DROP TRIGGER IF EXISTS flows_flowversion_immutable"],
    "postgresql": [
        "DROP TRIGGER IF EXISTS flows_flowversion_immutable ON flows_flowversion",
        "DROP FUNCTION IF EXISTS flows_flowversion_refuse_change()",
    ],
}


def immutable():
    return Run(_run(CREATE), _run(DROP))


def _run(statements):
    def run(editor):
        for statement in statements[editor.connection.vendor]:
            editor.execute(statement, params=None)

    return run
