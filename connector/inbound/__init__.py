"""Checkouts and orders that a site tells by itself: signed by its server, or typed in its shoppers' browsers."""
