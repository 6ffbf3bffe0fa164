"""IDS 1.0 (Information Delivery Specification of buildingSMART): read, audit and check a file against a model.

Everything here that touches an IFC schema or a model runs in a child process (`runner`); `reading`, `terms` and `writing` are plain XML.
"""
