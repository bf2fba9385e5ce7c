"""What exists, for whom: introspection of sources, the virtual catalog, a real Postgres over it.

virtual         what exists: columns, relations, what one visibility class sees (pure)
introspect      reads a live Postgres 14-18 into a SourceCatalog
definition      the DDL that shows a ClassCatalog in an empty database (pure)
lockdown.sql    takes from an unprivileged role what Postgres would tell it
class_database  makes and drops the databases of the shadow
shadow          the disposable cluster of class databases
shadow_class    one class: describes statements, answers catalog statements
link            one connection of our own to a class database
route           which catalog relations may be asked, and where their names lead (pure)
"""
