"""Data only: the reviewed names of extensions, read by `proxy.sql.classification.extension`."""
