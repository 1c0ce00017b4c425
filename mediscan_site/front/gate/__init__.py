"""The gate: what stands between the network and Django's threads, so that one client never holds up the others.

The event loop holds every connection. A request gets a thread only once it has arrived whole, and gives it back before
a slow reader takes the answer; whoever waits for a worker's answer waits in the loop. Who may send how much is decided
before the body is read (`limits`). docs/decisions.md says why."""
