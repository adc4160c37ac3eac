"""The engine: a folder of models becomes loaded, warm models that run batches.

Start at `store.model_store`. `loading.loader` takes one version from its folder to a running
session; `trial.child` is the process that touches a file first.
"""

import os

# onnxruntime's wheels can report usage to their maker; a serving process calls nobody. It reads
# this when it is first imported, so it has to be said before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
