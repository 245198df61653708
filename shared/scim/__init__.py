"""The SCIM protocol as pure functions: no sockets, no clocks, no database, no framework."""
