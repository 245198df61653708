"""The staff portal: a web process for the admins of tenants, on the directory as a library."""
