"""The demonstration: a sample company, its own token issuer, and everything started on one machine.

What `sallyport demo` runs. Nothing outside this package imports it, except the command line and the
check that keeps the demonstration's issuer out of real configurations.
"""
