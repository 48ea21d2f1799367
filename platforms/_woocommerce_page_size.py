"""How many records are asked for at once: fewer, where so many are more than the door takes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connector.http import TooLargeError
from platforms._woocommerce_api import Answer

Fetch = Callable[[Mapping[str, str]], Answer]


@dataclass
class Pages:
    """Asks for pages of `size` records, and from one that is too large on for a quarter, down to `smallest`."""

    fetch: Fetch
    size: int
    smallest: int

    def ask(self, query: Mapping[str, str]) -> Answer:
        """One page. Raises TooLargeError where even the smallest is, and what `fetch` raises."""
        while True:
            try:
                return self.fetch({**query, "per_page": str(self.size)})
            except TooLargeError as error:
                if self.size <= self.smallest:
                    raise TooLargeError(
                        f"{error}, for {self.size} at once. Look for an order or cart with very much in it (tens of "
                        f"thousands of lines, large custom fields), and delete or shorten it"
                    ) from None
                self.size = max(self.smallest, self.size // 4)
