"""One server as a service: its secrets as files, its order, and nothing secret in the open."""

from components.catalog.model import Deploy, Health, Resources, SecretVariable, Server
from components.mcp_service import McpService, McpServiceArgs
from components.plan.mcp_service import mcp_service
from providers.swarm import resources as swarm
from tests.components.ground import DIGEST, ground

SERVER = Server(
    name="ai_memory",
    deploy=Deploy(1, 2, Resources(0.5, 256, 128), Health(3, 3, 3, 30)),
    secrets=(SecretVariable("MEMORY_DATABASE_URL", "", "", True),),
)


def service(handles=None):
    provider = swarm.Provider("services")
    database = swarm.KeyPair("database")
    made = McpService(
        "ai_memory",
        McpServiceArgs(
            workload=mcp_service(SERVER, "sophia-dev", ["MEMORY_DATABASE_URL"], ("database",)),
            ground=ground(provider),
            image=f"registry.example/ai-memory@{DIGEST}",
            secrets={"MEMORY_DATABASE_URL": database.private_key},
        ),
    )
    if handles is not None:
        handles.append(made.handle)


def test_it_starts_after_what_its_credentials_wait_for(registered):
    seen = registered(service)
    assert "database" in seen["ai_memory-memory-database-url"].dependencies
    assert "ai_memory-memory-database-url" in seen["ai_memory-service"].dependencies


def test_its_parts_use_the_clusters_provider_and_are_its_children(registered):
    seen = registered(service)
    for name in ("ai_memory-memory-database-url", "ai_memory-service"):
        assert (seen[name].parent, seen[name].provider) == ("ai_memory", "services")


def test_credentials_are_secret_and_files_of_the_servers_user(registered, preview):
    seen = registered(service)
    inputs = seen["ai_memory-service"].inputs
    assert any(path.startswith("registry") for path in seen["ai_memory-service"].secrets)
    assert "MEMORY_DATABASE_URL" not in inputs["env"]
    if not preview:
        assert "data" in seen["ai_memory-memory-database-url"].secrets
        (file,) = inputs["secrets"]
        assert file["target"] == "MEMORY_DATABASE_URL"
        assert (file["uid"], file["gid"]) == (10001, 10001)
        assert inputs["networks"] == ["id-of-services", "id-of-data"]


def test_the_handle_leads_to_its_tasks(registered):
    handles = []
    registered(lambda: service(handles))
    (handle,) = handles
    assert (handle.name, handle.physical_name) == ("ai_memory", "sophia-dev-ai_memory")
    assert handle.port == 8000
