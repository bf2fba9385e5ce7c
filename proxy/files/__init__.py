"""The reader of files: a program of its own that runs DuckDB, locked in, and answers the gate.

It is started by `proxy/sources/files_process.py` and knows folders, file formats and DuckDB. It
must not know policies, principals, or anything else of this project: no credential, no connection
and no client's text is ever in its process.
"""
