"""The database's parts: one password, secret wherever it goes, and tasks where the data are."""

import pulumi

from components.database import Database, DatabaseArgs, Standby
from components.handles import VolumeHandle
from components.plan import standby
from components.plan.database import role, workload
from components.plan.database_roles import jobs
from providers.swarm import resources as swarm
from tests.components.ground import DIGEST, ground


def database(made=None):
    server = workload("database")
    admission, revocation = jobs(server, ("ai_memory",))
    built = Database(
        "database",
        DatabaseArgs(
            server,
            admission,
            revocation,
            ground(swarm.Provider("services")),
            volume=VolumeHandle(
                *map(pulumi.Output.from_input, ("database-0a1b2c3d", "m-2", "machine-2"))
            ),
            image=f"registry.example/database@{DIGEST}",
        ),
    )
    built.revoke_former([])
    if made is not None:
        made.append(built)


def test_the_password_is_a_file_of_the_jobs_user_and_never_in_the_open(registered, preview):
    seen = registered(database)
    service = seen["database-service"]
    assert service.inputs["env"] == {"DATABASE": "sophia", "VOLUME": "database-0a1b2c3d"}
    assert service.inputs["user"] == "10002:10002"
    for name in ("database-admission", "database-revocation"):
        job = seen[f"{name}-job"]
        assert (job.inputs["env"], job.inputs["user"]) == (service.inputs["env"], "10002:10002")
        if not preview:
            assert "data" in seen[f"{name}-password-file"].secrets
            assert seen[f"{name}-password-file"].inputs["data"] == "random-database-password"
            (file,) = job.inputs["secrets"]
            assert (file["target"], file["uid"]) == ("database_password", 10002)
            assert "random-database-password" not in str(job.inputs)


def test_one_task_where_the_data_are_and_never_two(registered):
    inputs = registered(database)["database-service"].inputs
    assert inputs["placement"]["constraints"] == ["node.labels.node == m-2"]
    assert (inputs["replicas"], inputs["update"]["order"]) == (1, "stop-first")
    assert "ports" not in inputs
    (bind,) = [mount for mount in inputs["mounts"] if mount["type"] == "bind"]
    assert (bind["source"], bind["target"]) == (
        *("/opt/sophia/data/postgres", "/var/lib/postgresql/data"),
    )


def test_its_address_is_secret_and_waits_for_it(registered, preview):
    made, values = [], {}

    def program():
        database(made)
        made[0].url.apply(lambda url: values.update(url=url))
        pulumi.Output.from_input(made[0].url.is_secret()).apply(
            lambda secret: values.update(secret=secret)
        )
        swarm.Secret("client", name_prefix="client", data=made[0].url)

    seen = registered(program)
    assert values["secret"] is True
    assert "database-admission-job" in seen["client"].dependencies
    if not preview:
        assert values["url"] == (
            f"postgresql://{role('random-database-password')}:random-database-password"
            "@tasks.sophia-dev-database:5432/sophia"
        )


def with_standby():
    managers = ["m-1", "m-2", "m-3"]
    server = workload("database")
    *quorum, first, second = standby.members(server, "sophia-dev", managers, standby.QUORUM)
    volumes = [
        VolumeHandle(*map(pulumi.Output.from_input, (f"v-{node}", node, f"machine-of-{node}")))
        for node in ("m-2", "m-3")
    ]
    args = DatabaseArgs(
        first,
        *jobs(server, ()),
        ground(swarm.Provider("services"), ("services", "data", "quorum")),
        volume=volumes[0],
        image=f"registry.example/database@{DIGEST}",
        standby=Standby(second, *jobs(second, ()), volumes[1], quorum),
    )
    return Database("database", args)


def test_a_standby_is_another_service_where_its_own_data_are(registered):
    seen = registered(with_standby)
    assert {f"{name}-service" for name in ("database", "database-2", *standby.QUORUM)} <= set(seen)
    inputs = seen["database-2-service"].inputs
    assert inputs["placement"]["constraints"] == ["node.labels.node == m-3"]
    assert inputs["env"]["VOLUME"] == "v-m-3"
    assert "database-service" in seen["database-2-service"].dependencies
    assert "etcd-3-service" in seen["database-service"].dependencies
    assert "etcd-2-service" in seen["etcd-3-service"].dependencies


def test_what_members_know_each_other_by_is_secret_and_the_same_for_all(registered, preview):
    seen = registered(with_standby)
    if preview:
        return
    for file in ("quorum-pair", "member-password"):
        both = [seen[f"{name}-{file}"] for name in ("database", "database-2")]
        assert all("data" in one.secrets for one in both)
        assert both[0].inputs["data"] == both[1].inputs["data"]
    assert seen["database-member-password"].inputs["data"] == "random-database-replication"


def test_clients_get_both_addresses_once_both_are_there(registered, preview):
    values = {}

    def program():
        made = with_standby()
        made.url.apply(lambda url: values.update(url=url))
        swarm.Secret("client", name_prefix="client", data=made.url)

    seen = registered(program)
    assert {"database-admission-job", "database-2-admission-job"} <= {*seen["client"].dependencies}
    assert "database-2-service" in seen["database-2-admission-job"].dependencies
    if not preview:
        assert values["url"].endswith(
            "@tasks.sophia-dev-database:5432,tasks.sophia-dev-database-2:5432/sophia"
            "?target_session_attrs=read-write"
        )
