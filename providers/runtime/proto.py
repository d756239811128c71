"""The engine's protocol from the SDK, without importing the rest of the SDK.

That was half of what a plugin imported, and an `up` starts about ten plugins, most of them one
after the other.
"""

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import engine_pb2 as engine_pb2
    from pulumi.runtime.proto import engine_pb2_grpc as engine_pb2_grpc
    from pulumi.runtime.proto import plugin_pb2 as plugin_pb2
    from pulumi.runtime.proto import provider_pb2 as provider_pb2
    from pulumi.runtime.proto import provider_pb2_grpc as provider_pb2_grpc
    from pulumi.runtime.proto import status_pb2 as status_pb2

_sdk = importlib.util.find_spec("pulumi")
assert _sdk is not None
# Makes this module a package: the SDK's generated modules, which import one another relatively.
__path__ = [f"{folder}/runtime/proto" for folder in _sdk.submodule_search_locations or ()]
