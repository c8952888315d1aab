"""The steps by which the database of events and people came to be; run by `store.schema.migrate` on open."""
