"""The cellar: points and events of one plant, kept and never changed, with every sample accounted for."""

from loopwright.store.cellar import Store, open_store
from loopwright.store.people import People, User

__all__ = ["People", "Store", "User", "open_store"]
