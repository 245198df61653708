"""The rows of the bench: each measures one thing, on a stack of its own, interleaved with what it is compared with."""
