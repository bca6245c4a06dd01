"""Python imports this when it starts, if its folder is on PYTHONPATH; so do jobs, and the Python workers of Spark.

Each call of the SDK becomes a line of the file that STREAMJOIN_CALLS names: service, operation, and what it is on.
"""

import json
import os

# What of a call's parameters names a resource; none of them holds what a record or an item says.
NAMES = ("StreamName", "StreamARN", "ConsumerARN", "StreamArn", "TableName", "DatabaseName", "Name", "SecretId")


def resources(params):
    named = {key: params[key] for key in NAMES if isinstance(params.get(key), str)}
    if "TableInput" in params:
        named["Name"] = params["TableInput"]["Name"]
    if "RequestItems" in params:
        named["TableNames"] = sorted(params["RequestItems"])
    return named


def note(params, model, **_):
    call = {
        "service": model.service_model.service_name,
        "operation": model.name,
        "on": resources(params),
    }
    with open(os.environ["STREAMJOIN_CALLS"], "a") as calls:
        calls.write(json.dumps(call) + "\n")


if "STREAMJOIN_CALLS" in os.environ:
    from botocore.handlers import BUILTIN_HANDLERS

    # Those that every session begins with, whoever makes it.
    BUILTIN_HANDLERS.append(("before-parameter-build", note))
