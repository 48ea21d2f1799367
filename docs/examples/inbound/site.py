"""A whole shop in one file: serves the two pages beside it, takes orders, and tells Winback of them.

    SIGNING_KEY=… python3 site.py --winback https://winback.acme.example/inbound/acme/site --port 8000

It needs nothing but Python. Its orders are in memory, where yours are in a database.
"""

import argparse
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
EVERY = 60  # seconds between two words on the orders; Winback waits for them before it enrols anybody


def now():
    return datetime.now(timezone.utc).isoformat()


class Orders:
    """The orders, and which of them Winback has not acknowledged yet."""

    def __init__(self, winback, signing_key):
        self.winback, self.key = winback, signing_key.encode()
        self.lock = threading.Lock()
        self.untold = {}

    def place(self, email, checkout_id):
        order = {"id": str(uuid.uuid4()), "status": "paid", "purchase": True, "currency": "EUR", "total": "49.00"}
        order |= {"created_at": now(), "updated_at": now(), "email": email, "checkout_id": checkout_id}
        with self.lock:
            self.untold[order["id"]] = order

    def tell(self):
        """Tells what is not told yet. The time is taken first: an order that comes meanwhile belongs to the next."""
        with self.lock:
            through, orders = now(), list(self.untold.values())
        status = self.post("orders", {"orders": orders, "complete_through": through})
        if status == 200:  # anything else: the same orders are told again next time
            with self.lock:
                for order in orders:
                    self.untold.pop(order["id"], None)
        return status

    def post(self, what, document):
        body = json.dumps(document).encode()
        seconds = str(int(time.time()))
        signature = hmac.new(self.key, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Winback-Signature": f"t={seconds},v1={signature}"}
        request = urllib.request.Request(f"{self.winback}/{what}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except OSError as error:
            print(f"Winback did not take it, and is told again later: {error}", flush=True)
            return 0

    def keep_telling(self):
        while True:
            self.tell()
            time.sleep(EVERY)


def handler(orders):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = {"/checkout": "checkout.html", "/thanks": "thanks.html"}.get(self.path)
            if name is None:
                return self.send_error(404)
            page = (HERE / name).read_text(encoding="utf-8")
            page = page.replace("https://winback.acme.example/inbound/acme/site", orders.winback).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            form = urllib.parse.parse_qs(self.rfile.read(length).decode())
            orders.place(form["email"][0], form.get("checkout", [""])[0])
            threading.Thread(target=orders.tell).start()  # at once, and not before the shopper is answered
            self.send_response(303)
            self.send_header("Location", "/thanks")
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--winback", required=True)
    arguments.add_argument("--port", type=int, default=8000)
    options = arguments.parse_args()
    shop = Orders(options.winback.rstrip("/"), os.environ["SIGNING_KEY"])
    threading.Thread(target=shop.keep_telling, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(shop))
    print(f"http://127.0.0.1:{server.server_port}/checkout", flush=True)
    server.serve_forever()
