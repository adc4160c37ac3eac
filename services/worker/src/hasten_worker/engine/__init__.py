"""The engine: a folder of models becomes loaded, warm models that run batches.

Start at `store.ModelStore`; `loader` is the way of one version from its folder to a running
session, `intake` the child process that touches a file first.
"""
