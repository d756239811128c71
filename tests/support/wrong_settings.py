"""A configuration that is wrong in more than twenty ways, and how each is reported."""

JIRA = """
config:
  secrets:
    - {env: JIRA_API_TOKEN, example: jira-1, description: A token}
  env:
    - {name: JIRA_SITE_ID, example: S0123, description: The site, required: true}
deploy: {tier: 2}
"""
"""The `server.yaml` of a server that needs a credential and a setting."""

HIDDEN = "nobody-may-see"
"""Part of every value that must never be shown."""

GROUP = {"role": "manager", "tier": "primary", "instanceTypes": ["cpu_4x_general"], "count": 1}

VALUES: dict[str, object] = {
    "nodeGroups": [
        {**GROUP, "name": "a", "regions": ["us-east-9"], "generation": {"a": 1}},
        {**GROUP, "name": "a", "regions": ["us-east-1"], "instanceTypes": ["gpu_1x_a11"]},
        {**GROUP, "name": "b", "regions": ["us-east-1"], "tier": "first", "cuont": 1},
    ],
    "registry": {
        "server": f"https://user:{HIDDEN}@registry.example",
        "username": {"password": HIDDEN},
        "password": HIDDEN,
    },
    "servers": {
        "ai_memry": {},
        "ai_memory": {
            "replicas": 11,
            "resources": {"memory": 512},
            "allowWrites": "yes",
            "tools": {"deny": ["a b"], "alow": []},
        },
        "lambda_labs_cli": {
            "replica": 2,
            "env": {"LAMBDA_URL": "x", "LAMBDA_API_KEY": HIDDEN},
            "secrets": {"LAMBDA_API_URL": "y"},
            "allowDestructive": ["terminate_instance"],
        },
        "jira": {"secrets": {"JIRA_API_TOKN": HIDDEN}},
    },
    "secrets": {"LAMBDA_APIKEY": HIDDEN},
    "startUnconfigured": "no",
    "gpuProbe": "maybe",
    "gateway": {"port": 2377, "hosts": ["https://mcp.example.com"]},
    "rotate": {"loginKey": ["2"]},
    "backend": {"image": "registry.example/backend:latest", "health": ["true"]},
    "monitoring": {
        "slack": f"http://{HIDDEN}.example/",
        "email": {"to": "ops"},
        "gpuExporter": "dcgm-exporter:latest",
        "maxUsdPerMonth": "much",
    },
    "policies": {"maxUsdPerHour": -1},
    "secretss": {},
}

ERRORS = (
    "sophia:secrets: got plain text, expected an encrypted value; set",
    "sophia:registry: got plain text, expected an encrypted value; set",
    "sophia:servers: got plain text, expected an encrypted value; set",
    "sophia:nodeGroups[0].generation: got {'a': 1}, expected a text",
    "sophia:nodeGroups[0].regions[0]: got 'us-east-9', expected one of",
    "sophia:nodeGroups[1].instanceTypes[0]: got 'gpu_1x_a11', expected one of",
    "sophia:nodeGroups[1].name: got 'a', expected a name that no other group has",
    "sophia:nodeGroups[2].tier: got 'first', expected one of primary, secondary",
    "sophia:nodeGroups[2].cuont: got an unknown key, expected one of",
    "sophia:nodeGroups: got managers in any of us-east-9, us-east-1, expected one region",
    "sophia:startUnconfigured: got 'no', expected true or false",
    "sophia:servers.ai_memry: got 'ai_memry', expected one of",
    "sophia:servers.ai_memory.replicas: got 11, expected a whole number from 1 to 10",
    "sophia:servers.ai_memory.resources.memory: got an unknown key, expected one of",
    "sophia:servers.ai_memory.allowWrites: got 'yes', expected true or false",
    "sophia:servers.ai_memory.tools.deny[0]: got 'a b', expected a tool's name",
    "sophia:servers.ai_memory.tools.alow: got an unknown key, expected one of allow, deny",
    "sophia:servers.lambda_labs_cli.replica: got an unknown key, expected one of",
    "sophia:servers.lambda_labs_cli.env.LAMBDA_URL: got an unknown key, expected",
    "sophia:servers.lambda_labs_cli.env.LAMBDA_API_KEY: got a str (not shown), expected the key",
    "sophia:servers.lambda_labs_cli.secrets.LAMBDA_API_URL: got a str (not shown), expected the",
    "sophia:servers.lambda_labs_cli.allowDestructive: got ['terminate_instance'], expected none",
    "sophia:servers.jira.secrets.JIRA_API_TOKN: got an unknown key, expected only",
    "sophia:servers.jira.env.JIRA_SITE_ID: got nothing, expected a text such as 'S0123'",
    "sophia:secrets.JIRA_API_TOKEN: got nothing, expected a text such as 'jira-1'",
    "sophia:secrets.LAMBDA_APIKEY: got an unknown key, expected one of",
    "sophia:registry.server: got 'https://…@registry.example', expected host",
    "sophia:registry.username: got a dict (not shown), expected a text",
    "sophia:gateway.port: got 2377, expected another port",
    "sophia:gateway.hosts[0]: got 'https://mcp.example.com', expected a DNS name",
    "sophia:gpuProbe: got 'maybe', expected true or false",
    "sophia:rotate.loginKey: got ['2'], expected a text",
    "sophia:backend.image: got 'registry.example/backend:latest', expected an image with its",
    "sophia:monitoring: got plain text, expected an encrypted value; set",
    "sophia:monitoring.slack: got a str (not shown), expected the address of a Slack webhook",
    "sophia:monitoring.email.smarthost: got nothing, expected a mail server's host:port",
    "sophia:monitoring.email.from: got nothing, expected an address such as",
    "sophia:monitoring.email.to: got 'ops', expected a list",
    "sophia:monitoring.gpuExporter: got 'dcgm-exporter:latest', expected NVIDIA's image with its",
    "sophia:monitoring.maxUsdPerMonth: got 'much', expected a number",
    "sophia:policies.maxUsdPerHour: got -1, expected a number from 0 to 1000000",
    "sophia:secretss: got an unknown key, expected one of",
)
"""The beginning of each line."""
