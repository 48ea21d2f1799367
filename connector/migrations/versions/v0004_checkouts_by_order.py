"""An index for the checkouts that say which order they became"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("order_id != ''")
    columns = ["client", "store", "order_id"]
    op.create_index(
        "ix_checkouts_order", "checkouts", columns, unique=False, sqlite_where=where, postgresql_where=where
    )
