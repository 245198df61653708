"""What identity providers really send, turned into what the RFC says, as named tolerances."""
