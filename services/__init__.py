"""The processes of Muster: the gateway, the worker, the directory they share, the simulator and the local stack."""
