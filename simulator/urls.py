"""Which address is answered by which function. Endpoints are named as in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.routing import Map, Rule, Submount
from werkzeug.wrappers import Response

from simulator import control, responses

API = "/api/v1"
CONTROL = "/_control"
LAUNCH = "launchInstance"

HANDLERS: dict[str, Callable[..., Response]] = {
    "listInstances": responses.list_instances,
    "getInstance": responses.get_instance,
    "postInstance": responses.post_instance,
    "listInstanceTypes": responses.list_instance_types,
    "listImages": responses.list_images,
    "listFilesystems": responses.list_file_systems,
    LAUNCH: responses.launch_instance,
    "restartInstance": responses.restart_instance,
    "terminateInstance": responses.terminate_instance,
    "listSSHKeys": responses.list_ssh_keys,
    "addSSHKey": responses.add_ssh_key,
    "deleteSSHKey": responses.delete_ssh_key,
}

CONTROLS: dict[str, Callable[..., Response]] = {
    "status": control.status,
    "calls": control.calls,
    "forgetCalls": control.forget_calls,
    "capacity": control.capacity,
    "fault": control.fault,
    "instances": control.instances,
    "setInstance": control.set_instance,
    "powerOff": control.power_off,
}

URLS = Map(
    [
        Submount(
            API,
            [
                Rule("/instances", endpoint="listInstances", methods=["GET"]),
                Rule("/instances/<id>", endpoint="getInstance", methods=["GET"]),
                Rule("/instances/<id>", endpoint="postInstance", methods=["POST"]),
                Rule("/instance-types", endpoint="listInstanceTypes", methods=["GET"]),
                Rule("/images", endpoint="listImages", methods=["GET"]),
                Rule("/file-systems", endpoint="listFilesystems", methods=["GET"]),
                Rule("/instance-operations/launch", endpoint=LAUNCH, methods=["POST"]),
                Rule("/instance-operations/restart", endpoint="restartInstance", methods=["POST"]),
                Rule(
                    "/instance-operations/terminate",
                    endpoint="terminateInstance",
                    methods=["POST"],
                ),
                Rule("/ssh-keys", endpoint="listSSHKeys", methods=["GET"]),
                Rule("/ssh-keys", endpoint="addSSHKey", methods=["POST"]),
                Rule("/ssh-keys/<id>", endpoint="deleteSSHKey", methods=["DELETE"]),
            ],
        ),
        Submount(
            CONTROL,
            [
                Rule("/status", endpoint="status", methods=["GET"]),
                Rule("/calls", endpoint="calls", methods=["GET"]),
                Rule("/calls", endpoint="forgetCalls", methods=["DELETE"]),
                Rule("/capacity", endpoint="capacity", methods=["PUT"]),
                Rule("/faults", endpoint="fault", methods=["POST"]),
                Rule("/instances", endpoint="instances", methods=["GET"]),
                Rule("/instances/<id>", endpoint="setInstance", methods=["POST"]),
                Rule("/instances/<id>/power-off", endpoint="powerOff", methods=["POST"]),
            ],
        ),
    ]
)
