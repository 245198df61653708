"""Plays an identity provider against any SCIM server, as strictly and as stubbornly as the real ones."""
