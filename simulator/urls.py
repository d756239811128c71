"""Maps addresses to functions. Endpoints are named as in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.routing import Map, Rule, Submount
from werkzeug.wrappers import Response

from simulator import control, exceptions, responses

API = "/api/v1"
CONTROL = "/_control"
LAUNCH = "launchInstance"


def _missing(operation: str) -> Callable[..., Response]:
    """Answers that the real API has the operation but this one doesn't."""

    def refuse(*_: object, **__: object) -> Response:
        raise exceptions.not_implemented(operation)

    return refuse


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
    "firewallRulesList": responses.list_firewall_rules,
    "firewallRulesSet": responses.set_firewall_rules,
    "firewallRulesetsList": responses.list_firewall_rulesets,
    "createFirewallRuleset": responses.create_firewall_ruleset,
    "getGlobalFirewallRuleset": responses.get_global_ruleset,
    "updateGlobalFirewallRuleset": responses.update_global_ruleset,
    "getFirewallRuleset": responses.get_firewall_ruleset,
    "updateFirewallRuleset": responses.update_firewall_ruleset,
    "deleteFirewallRuleset": responses.delete_firewall_ruleset,
    **{name: _missing(name) for name in ("createFilesystem", "filesystemDelete", "getAuditEvents")},
}

CONTROLS: dict[str, Callable[..., Response]] = {
    "status": control.status,
    "calls": control.calls,
    "forgetCalls": control.forget_calls,
    "capacity": control.capacity,
    "fault": control.fault,
    "faults": control.faults,
    "forgetFaults": control.forget_faults,
    "instances": control.instances,
    "setInstance": control.set_instance,
    "powerOff": control.power_off,
    "knobs": control.knobs,
    "setKnobs": control.set_knobs,
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
                *(
                    Rule(path, endpoint=endpoint, methods=[method])
                    for method, path, endpoint in (
                        ("GET", "/firewall-rules", "firewallRulesList"),
                        ("PUT", "/firewall-rules", "firewallRulesSet"),
                        ("GET", "/firewall-rulesets", "firewallRulesetsList"),
                        ("POST", "/firewall-rulesets", "createFirewallRuleset"),
                        ("GET", "/firewall-rulesets/global", "getGlobalFirewallRuleset"),
                        ("PATCH", "/firewall-rulesets/global", "updateGlobalFirewallRuleset"),
                        ("GET", "/firewall-rulesets/<id>", "getFirewallRuleset"),
                        ("PATCH", "/firewall-rulesets/<id>", "updateFirewallRuleset"),
                        ("DELETE", "/firewall-rulesets/<id>", "deleteFirewallRuleset"),
                    )
                ),
                Rule("/filesystems", endpoint="createFilesystem", methods=["POST"]),
                Rule("/filesystems/<id>", endpoint="filesystemDelete", methods=["DELETE"]),
                Rule("/audit-events", endpoint="getAuditEvents", methods=["GET"]),
            ],
        ),
        Submount(
            CONTROL,
            [
                Rule("/status", endpoint="status", methods=["GET"]),
                Rule("/calls", endpoint="calls", methods=["GET"]),
                Rule("/calls", endpoint="forgetCalls", methods=["DELETE"]),
                Rule("/knobs", endpoint="knobs", methods=["GET"]),
                Rule("/knobs", endpoint="setKnobs", methods=["PUT"]),
                Rule("/capacity", endpoint="capacity", methods=["PUT"]),
                Rule("/faults", endpoint="fault", methods=["POST"]),
                Rule("/faults", endpoint="faults", methods=["GET"]),
                Rule("/faults", endpoint="forgetFaults", methods=["DELETE"]),
                Rule("/instances", endpoint="instances", methods=["GET"]),
                Rule("/instances/<id>", endpoint="setInstance", methods=["POST"]),
                Rule("/instances/<id>/power-off", endpoint="powerOff", methods=["POST"]),
            ],
        ),
    ]
)
