"""The subcommands of `sallyport`, one module each, with `run(arguments) -> exit code`.

`language.py` says how they are called; it alone is imported for every call. The others are imported
when they are asked for, because a token should not wait for a gate's worth of imports.
"""
