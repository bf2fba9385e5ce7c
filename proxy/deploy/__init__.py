"""Examples for those who run the gate: files to copy and to change, printed by `sallyport deploy`.

They are data: nothing here is imported or read at run time.
"""
