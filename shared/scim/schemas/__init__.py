"""The attributes of RFC 7643, each declared once."""
