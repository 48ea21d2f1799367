"""Indexes for a store with a million checkouts a year"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _checkouts()
    _leads()
    _deliveries()
    op.create_index("ix_windows_opened", "windows", ["client", "opened_at"], unique=False)
    op.create_index("ix_recoveries_seen", "recoveries", ["client", "seen_at"], unique=False)
    for table, column in (("orders", "modified"), ("events", "at")):
        op.drop_index(f"ix_{table}_{column}", table_name=table)
        at = "at" if column == "at" else f"{column}_at"
        op.create_index(f"ix_{table}_{column}", table, ["client", at], unique=False)


def _checkouts() -> None:
    _only("ix_checkouts_state", "checkouts", ["client", "store", "state", "shopper"], "shopper != ''")
    _only("ix_checkouts_carry", "checkouts", ["client", "carry_sequence"], "carry_sequence != ''")
    op.create_index("ix_checkouts_updated", "checkouts", ["client", "updated_at"], unique=False)


def _leads() -> None:
    op.drop_index("ix_leads_created_at", table_name="leads")
    op.create_index("ix_leads_created", "leads", ["client", "created_at"], unique=False)
    op.create_index("ix_leads_made", "leads", ["client", "store", "checkout_id"], unique=False)
    op.create_index("ix_leads_shown", "leads", ["client", "shown_store", "shown_checkout_id"], unique=False)


def _deliveries() -> None:
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    _only("ix_deliveries_pending", "deliveries", ["client", "crm", "priority", "next_at"], "state = 'pending'")
    op.create_index("ix_deliveries_at", "deliveries", ["client", "due_at"], unique=False)


def _only(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)
