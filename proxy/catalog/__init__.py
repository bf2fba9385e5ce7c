"""What exists, for whom: introspection of sources, the virtual catalog, a real Postgres over it.

virtual         what exists: columns, relations, what one visibility class sees (pure)
introspect      reads a live Postgres 14-18 into a SourceCatalog
definition      the DDL that shows a ClassCatalog in an empty database (pure)
lockdown.sql    takes from an unprivileged role what Postgres would tell it
numbering       an object's number follows from its name (pure); renumber.sql does it for DDL
written         tables as rows of the catalogs (pure); written_rows: the statements that insert them
class_building  fills a database with a class, or with a part of it
class_database  makes and drops the databases of the shadow
class_links     connections to one class, and what all classes may hold together
mention         which relations a statement may speak of (pure)
shadow          the disposable cluster of class databases
shadow_class    one class: describes statements, answers catalog statements
link            one connection of our own to a class database
route           which catalog relations may be asked, and where their names lead (pure)
"""
