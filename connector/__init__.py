"""Winback's daemon: polls stores, applies the lead rules, delivers to CRMs. Names no vendor."""

__version__ = "0.1.0"
