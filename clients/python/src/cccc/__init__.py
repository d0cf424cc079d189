"""Client of the cccc message bus: requests, and following a group without silent gaps. See README.md; `cccc.aio` is the asynchronous twin."""

from ._client import Client, Follow, open
from ._protocol import Closed, Error, Event, Gap, Item, NotRunning, Timeout

__all__ = ["Client", "Closed", "Error", "Event", "Follow", "Gap", "Item", "NotRunning", "Timeout", "open"]
