"""What capture, coupons and the report keep"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _sequences()
    _refusals()
    _capture()
    _templates()
    _report()
    _told_orders()
    _coupons()


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


def _capture() -> None:
    op.create_table(
        "visits",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("contactable", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("client", "store", "source", "day"),
    )
    with op.batch_alter_table("checkouts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("by_link", sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table("stores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("notes", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("visits_read_at", sa.DateTime(timezone=True), nullable=True))


def _templates() -> None:
    op.create_table(
        "templates",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("crm", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client", "crm", "name"),
    )


def _refusals() -> None:
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("exchange", sa.String(), server_default="", nullable=False))


def _report() -> None:
    with op.batch_alter_table("recoveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("day", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("product_name", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("stage", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("net", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("update recoveries set day = date(placed_at), net = round(cast(amount as numeric) * 10000)")
    op.create_table(
        "outcomes",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("checkout_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("product_name", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("bought", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("client", "store", "checkout_id", "day"),
    )
    op.create_table(
        "tallies",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("product_name", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "client", "day", "store", "kind", "product_name", "stage", "arm", "steps", "state", "last_step", "currency"
        ),
    )


def _told_orders() -> None:
    op.add_column("stores", sa.Column("orders_through", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_orders_checkout", "orders", ["client", "store", "checkout_id"], unique=False)


def _coupons() -> None:
    op.create_table(
        "coupons",
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("shopper", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("client", "code"),
    )
    with op.batch_alter_table("coupons", schema=None) as batch_op:
        batch_op.create_index("ix_coupons_open", ["state", "client", "store"], unique=False)
        batch_op.create_index("ix_coupons_shopper", ["client", "shopper"], unique=False)
    with op.batch_alter_table("stores", schema=None) as batch_op:
        for name in ("time_zone", "locale", "coupons_error"):
            batch_op.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("coupons_retry_at", sa.DateTime(timezone=True), nullable=True))
