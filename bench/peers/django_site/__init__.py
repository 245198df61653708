"""A Django site with django-scim2 on PostgreSQL, as fast as its settings allow."""
