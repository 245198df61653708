"""All tables of the directory, whichever module describes them, each after those that it refers to."""

from services.directory import portal_tables, region_tables, tables, trace_tables

# A table is known to the metadata once its module is imported.
MODULES = (tables, trace_tables, portal_tables, region_tables)
EVERY = tables.metadata.sorted_tables
