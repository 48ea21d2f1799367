"""The engine: reads stores (`poll`), stores what it read (`intake`), applies the rules (`decide`, `purchases`),
empties the outbox (`deliver`), keeps the ninety days (`retention`), and runs all of it (`daemon`, `sync`).
"""
