"""The daemon's numbers for Prometheus. Every name begins with `winback_`; no label holds a shopper's data."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from connector import __version__

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150)


class Metrics:
    """One set of numbers in a registry of its own. Safe to use from many threads."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry(auto_describe=True)
        store = ("client", "store")
        self._polls = Counter("winback_polls", "Finished reads of a store.", (*store, "what"), registry=registry)
        self._failures = Counter(
            "winback_poll_failures", "Reads of a store that failed.", (*store, "what", "error"), registry=registry
        )
        self._last_poll = Gauge(
            "winback_last_poll_timestamp_seconds", "When a read last finished.", (*store, "what"), registry=registry
        )
        self._leads = Gauge("winback_leads", "Leads in each state.", (*store, "state"), registry=registry)
        self._deliveries = Counter(
            "winback_deliveries", "Attempts at a CRM.", ("client", "crm", "kind", "outcome"), registry=registry
        )
        self._waiting = Gauge(
            "winback_deliveries_waiting", "Deliveries that are due.", ("client", "crm"), registry=registry
        )
        self._requests = Counter(
            "winback_http_requests",
            "Requests; status 0 is no answer.",
            ("account", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "winback_http_request_seconds", "Their duration.", ("account",), buckets=SECONDS, registry=registry
        )
        self._clicks = Counter("winback_short_link_clicks", "Short links followed.", ("known",), registry=registry)
        self._hooks = Counter("winback_webhooks", "Webhooks of a store.", (*store, "outcome"), registry=registry)
        Gauge("winback_build_info", "1, with the version.", ("version",), registry=registry).labels(__version__).set(1)

    def polled(self, client: str, store: str, what: str, at: float) -> None:
        """A read of `what` (checkouts, orders) finished at `at`, in seconds since 1970."""
        self._polls.labels(client, store, what).inc()
        self._last_poll.labels(client, store, what).set(at)

    def poll_failed(self, client: str, store: str, what: str, error: BaseException) -> None:
        """A read of `what` ended with an error; only the error's kind is kept."""
        self._failures.labels(client, store, what, type(error).__name__).inc()

    def leads(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        """How many leads there are now, by client, store and state. What is not named is gone."""
        self._leads.clear()
        for labels, count in counts.items():
            self._leads.labels(*labels).set(count)

    def delivered(self, client: str, crm: str, kind: str, outcome: str) -> None:
        """An attempt of `kind` (enrol, refresh, withdraw) ended with `outcome`, or the kind of its error."""
        self._deliveries.labels(client, crm, kind, outcome).inc()

    def waiting(self, counts: Mapping[tuple[str, str], int]) -> None:
        """How many deliveries are due now, by client and CRM. What is not named has none."""
        self._waiting.clear()
        for labels, count in counts.items():
            self._waiting.labels(*labels).set(count)

    def clicked(self, known: bool) -> None:
        """Someone followed a short link."""
        self._clicks.labels("yes" if known else "no").inc()

    def hooked(self, client: str, store: str, outcome: str) -> None:
        """A webhook came: what it asked for, "nothing", or "refused" for a wrong signature."""
        self._hooks.labels(client, store, outcome).inc()

    def observe(self, account: str, method: str, status: int, seconds: float) -> None:
        """One HTTP exchange; append this to `Http.observers`."""
        self._requests.labels(account, method, str(status)).inc()
        self._seconds.labels(account).observe(seconds)
