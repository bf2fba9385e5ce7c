"""What agents are given: LangChain's and LlamaIndex' SQLDatabase, each as its documentation sets it up."""

import langchain_community
import llama_index.core
import sqlalchemy as sa
from langchain_community.utilities import SQLDatabase as LangChain
from llama_index.core import SQLDatabase as LlamaIndex
from steps import DATABASE, HOST, PASSWORD, PORT, USER, failure, tell

LOGIN = sa.URL.create("postgresql+psycopg", USER, PASSWORD, HOST, PORT, DATABASE)
SECOND = LOGIN.set(drivername="postgresql+psycopg2")


def langchain_tables() -> object:
    found = LangChain.from_uri(LOGIN, schema="app", view_support=True)
    return sorted(found.get_usable_table_names())


def langchain_describe() -> object:
    found = LangChain.from_uri(LOGIN, schema="trade", sample_rows_in_table_info=2)
    return found.get_table_info(["nation", "region"])


def langchain_comments() -> object:
    return LangChain.from_uri(LOGIN, schema="app", include_tables=["labels"]).get_table_info(
        get_col_comments=True
    )


def langchain_query() -> object:
    found = LangChain.from_uri(SECOND, schema="app")  # it sets search_path by a parameter
    return found.run("SELECT name FROM labels ORDER BY id LIMIT 3"), found.run_no_throw(
        "SELECT * FROM missing"
    ).splitlines()[0]


def llama_tables() -> object:
    found = LlamaIndex(sa.create_engine(SECOND), schema="app")
    return sorted(found.get_usable_table_names())


def llama_describe() -> object:
    return LlamaIndex(sa.create_engine(SECOND), schema="trade").get_single_table_info("orders")


def llama_query() -> object:
    found = LlamaIndex(sa.create_engine(SECOND))
    return found.run_sql("SELECT title FROM app.posts ORDER BY id LIMIT 2"), failure(
        lambda: found.run_sql("DELETE FROM app.labels")
    )[:1]


def version() -> object:
    return langchain_community.__version__, llama_index.core.__version__


def main() -> None:
    for step in (
        version,
        langchain_tables,
        langchain_describe,
        langchain_comments,
        langchain_query,
        llama_tables,
        llama_describe,
        llama_query,
    ):
        try:
            tell(step.__name__, step())
        except Exception as raised:
            tell(step.__name__, raised)
    tell("end", 1)


if __name__ == "__main__":
    main()
