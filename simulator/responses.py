"""HTTP only: requests in, envelopes out. Rules and effects are in `account`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator import offers, validation
from simulator.account import Account, blocked
from simulator.exceptions import invalid_parameters
from simulator.records import FirewallRule, FirewallRuleset, Instance


def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object, whatever its content type (curl's `--data` names another)."""
    try:
        value = json.loads(request.get_data() or b"{}")
    except ValueError:
        raise invalid_parameters("Request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise invalid_parameters("Request body must be a JSON object.")
    return value


def data(value: Any) -> Response:
    """The success envelope."""
    return Response(json.dumps({"data": value}), mimetype="application/json")


def list_instances(account: Account, request: Request) -> Response:
    clustered = request.args.get("cluster_id")
    return data([] if clustered else rendered(account, account.instances()))


def get_instance(account: Account, request: Request, id: str) -> Response:
    return data(rendered(account, [account.instance(id)])[0])


def post_instance(account: Account, request: Request, id: str) -> Response:
    instance = account.rename(id, validation.new_name(body_of(request)))
    return data(rendered(account, [instance])[0])


def list_instance_types(account: Account, request: Request) -> Response:
    return data(
        {
            name: {
                "instance_type": _instance_type(name),
                "regions_with_capacity_available": [
                    _region(region) for region in account.regions_with_capacity(name)
                ],
            }
            for name in offers.OFFERS
        }
    )


def list_images(account: Account, request: Request) -> Response:
    return data(
        [
            {
                "id": image.id,
                "created_time": "2025-11-01T00:00:00+00:00",
                "updated_time": "2025-11-01T00:00:00+00:00",
                "name": image.name,
                "description": image.description,
                "family": image.family,
                "version": image.version,
                "architecture": image.architecture,
                "region": _region(image.region),
            }
            for image in offers.images()
        ]
    )


def launch_instance(account: Account, request: Request) -> Response:
    instance = account.launch(validation.launch(body_of(request)))
    return data({"instance_ids": [instance.id]})


def restart_instance(account: Account, request: Request) -> Response:
    chosen = account.restart(validation.instance_ids(body_of(request)))
    return data({"restarted_instances": rendered(account, chosen)})


def terminate_instance(account: Account, request: Request) -> Response:
    chosen = account.terminate(validation.instance_ids(body_of(request)))
    return data({"terminated_instances": rendered(account, chosen)})


def list_ssh_keys(account: Account, request: Request) -> Response:
    return data([vars(key) for key in account.keys.all()])


def add_ssh_key(account: Account, request: Request) -> Response:
    key, private = account.keys.add(*validation.ssh_key(body_of(request)))
    return data({**vars(key), **({"private_key": private} if private else {})})


def delete_ssh_key(account: Account, request: Request, id: str) -> Response:
    account.keys.delete(id)
    return data({})


def list_file_systems(account: Account, request: Request) -> Response:
    return data([])


def list_firewall_rulesets(account: Account, request: Request) -> Response:
    return data([_ruleset(account, one) for one in account.firewalls.all()])


def create_firewall_ruleset(account: Account, request: Request) -> Response:
    made = account.firewalls.create(*validation.new_ruleset(body_of(request)))
    return data(_ruleset(account, made))


def get_firewall_ruleset(account: Account, request: Request, id: str) -> Response:
    return data(_ruleset(account, account.firewalls.get(id)))


def update_firewall_ruleset(account: Account, request: Request, id: str) -> Response:
    account.firewalls.get(id)  # report a missing one before a bad body
    changed = account.firewalls.update(id, *validation.changed_ruleset(body_of(request)))
    return data(_ruleset(account, changed))


def delete_firewall_ruleset(account: Account, request: Request, id: str) -> Response:
    account.firewalls.delete(id)
    return data({})


def get_global_ruleset(account: Account, request: Request) -> Response:
    return data(_global_ruleset(account))


def update_global_ruleset(account: Account, request: Request) -> Response:
    _, rules = validation.changed_ruleset(body_of(request))
    if rules is not None:
        account.firewalls.set_global_rules(rules)
    return data(_global_ruleset(account))


def list_firewall_rules(account: Account, request: Request) -> Response:
    return data(_global_ruleset(account)["rules"])


def set_firewall_rules(account: Account, request: Request) -> Response:
    account.firewalls.set_global_rules(validation.all_rules(body_of(request)))
    return data(_global_ruleset(account)["rules"])


def rendered(account: Account, instances: Iterable[Instance]) -> list[dict[str, Any]]:
    """Instances as the API shows them; fields without a value are left out."""
    instances = list(instances)
    statuses = account.statuses(instances)
    return [_instance(account, *pair) for pair in zip(instances, statuses, strict=True)]


def _instance(account: Account, one: Instance, status: str) -> dict[str, Any]:
    address = account.address(one)
    shown: dict[str, Any] = {
        "id": one.id,
        "status": status,
        "ssh_key_names": one.ssh_key_names,
        "file_system_names": [],
        "region": _region(one.region),
        "instance_type": _instance_type(one.instance_type),
        "hostname": one.hostname,
        "actions": _actions(status, one.failure),
        "tags": [{"key": key, "value": value} for key, value in one.tags.items()],
        "firewall_rulesets": [{"id": id} for id in one.firewall_rulesets],
    }
    if one.name is not None:
        shown["name"] = one.name
    if address is not None:
        shown |= {"ip": address, "private_ip": one.private_ip or address}
    return shown


def _actions(status: str, failure: str) -> dict[str, dict[str, Any]]:
    """The actions that an instance allows now. Nothing can be migrated or rebuilt here."""
    reason = blocked(status, failure)
    old = _unavailable("vm-is-too-old", "The simulated cloud can't do this.")
    now = _unavailable(*reason) if reason else {"available": True}
    gone = status in ("terminating", "terminated")
    return {
        "migrate": old,
        "rebuild": old,
        "restart": now,
        "cold_reboot": now,
        "terminate": now if gone else {"available": True},
    }


def _unavailable(code: str, description: str) -> dict[str, Any]:
    return {"available": False, "reason_code": code, "reason_description": description}


def _region(name: str) -> dict[str, str]:
    return {"name": name, "description": offers.REGIONS[name]}


def _ruleset(account: Account, one: FirewallRuleset) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "region": _region(one.region),
        "rules": [_rule(rule) for rule in one.rules],
        "created": one.created,
        "instance_ids": [instance.id for instance in account.firewalls.users(one.id)],
    }


def _global_ruleset(account: Account) -> dict[str, Any]:
    rules = [_rule(rule) for rule in account.firewalls.global_rules()]
    return {"id": "global", "name": "Global Firewall Rules", "rules": rules}


def _rule(rule: FirewallRule) -> dict[str, Any]:
    return {key: value for key, value in vars(rule).items() if value is not None}


def _instance_type(name: str) -> dict[str, Any]:
    offer = offers.OFFERS[name]
    return {
        "name": offer.name,
        "description": offer.description,
        "gpu_description": offer.gpu,
        "price_cents_per_hour": offer.cents_per_hour,
        "specs": {
            "vcpus": offer.vcpus,
            "memory_gib": offer.memory_gib,
            "storage_gib": offer.storage_gib,
            "gpus": offer.gpus,
        },
    }
