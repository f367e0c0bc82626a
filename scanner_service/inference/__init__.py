"""Models: found, verified, loaded, and asked in batches."""

import os

# From 1.29 on, ONNX Runtime for Linux keeps a device id and reports to its makers, from the moment it is imported,
# unless this says otherwise (microsoft/onnxruntime#27379). Nothing of this service calls anybody.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
