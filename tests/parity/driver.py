# SPDX-License-Identifier: Apache-2.0
"""Answers one request for the parity suite: driver.py OPERATION REQUEST."""

import json
import os
import sys

import imagewright

operation, request = sys.argv[1], json.loads(sys.argv[2])
run = imagewright.start(operation, request)
if os.environ.get("PARITY_CANCEL"):
    next(iter(run))
    run.cancel()
try:
    print(json.dumps(run.result()))
except imagewright.ImagewrightError as error:
    fields = ("path", "offset", "hint", "errno")
    document = {name: getattr(error, name) for name in fields}
    document.update(kind=error.kind, message=str(error))
    print(json.dumps({"error": document}))
    sys.exit(error.code)
