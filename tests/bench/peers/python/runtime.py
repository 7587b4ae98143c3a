"""A minimal Lambda runtime loop over one connection that is reused. It does less than AWS's runtime."""

import http.client
import json
import os
import sys
import traceback

PATH = "/2018-06-01/runtime/invocation/"


class Problem(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status = status
        self.code = code


def answer(status, body, headers=None):
    headers = {"content-type": "application/json", **(headers or {})}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def serve(handler):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", PATH + "next")
        response = connection.getresponse()
        request_id = response.headers["lambda-runtime-aws-request-id"]
        event = json.loads(response.read())
        try:
            result = answer(*handler(event))
        except Problem as problem:
            result = answer(problem.status, {"code": problem.code})
        except Exception:
            traceback.print_exc(file=sys.stderr)
            result = answer(503, {"code": "unavailable"})
        connection.request("POST", f"{PATH}{request_id}/response", json.dumps(result))
        connection.getresponse().read()
