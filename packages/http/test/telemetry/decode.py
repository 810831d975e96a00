"""Decodes requests of OTLP over HTTP by the classes that OpenTelemetry publishes for its protocol.

Reads lines `SIGNAL CONTENT-TYPE BASE64` and writes a line of JSON for each. Fails on a field that the protocol does not have.
"""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

requests = {"traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest}
ids = ("traceId", "spanId", "parentSpanId")


def rewrite(value, change):
    """OTLP has ids in hexadecimal where JSON of Protocol Buffers has base64."""
    if isinstance(value, list):
        return [rewrite(each, change) for each in value]
    if isinstance(value, dict):
        return {key: change(each) if key in ids else rewrite(each, change) for key, each in value.items()}
    return value


def to_base64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def to_hex(text):
    return base64.b64decode(text).hex()


for line in sys.stdin:
    signal, content_type, body = line.split()
    raw, request = base64.b64decode(body), requests[signal]()
    if content_type == "application/json":
        json_format.ParseDict(rewrite(json.loads(raw), to_base64), request)
    else:
        request.ParseFromString(raw)
        for resource in getattr(request, "resource_spans", []):
            unknown = resource.SerializeToString() and resource.FindInitializationErrors()
            assert not unknown, unknown
    print(json.dumps(rewrite(json_format.MessageToDict(request), to_hex)))
