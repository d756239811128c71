"""The database's parts: one password, secret wherever it goes, and tasks where the data are."""

import pulumi

from components.database import Database, DatabaseArgs
from components.handles import VolumeHandle
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
                pulumi.Output.from_input("database-0a1b2c3d"), pulumi.Output.from_input("m-2")
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
