"""What every process uses: settings, logs, the queue, outcomes, and the protocol in `shared.scim`."""
