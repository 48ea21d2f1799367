"""What capture, coupons and the report keep"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _sequences()


def _sequences() -> None:
    op.create_table(
        "sequences",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("steps", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("client", "id"),
    )
    with op.batch_alter_table("leads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sequence", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("checkouts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("carry_sequence", sa.String(), nullable=False, server_default=""))
