"""What `pulumi stack output` shows, by name. docs/reference/outputs.md is generated from it."""

OUTPUTS = {
    "version": "The platform's version that the last `pulumi up` was run with.",
    "manager_ip": "Address of the first manager.",
    "manager_ips": "Addresses of all managers, for DNS.",
    "gateway_url": "The first of `gateway_urls`.",
    "gateway_urls": "Your own names, then every manager's address: all of them work.",
    "gateway_token": "Secret. The token of the caller `default`.",
    "gateway_tokens": "Secret. All tokens, by the names of `gateway.callers`, and `default`.",
    "gateway_former_tokens": "Secret. Tokens of before a rotation that are still good; by caller.",
    "gateway_certificate": "When the gateway's certificate ends, when to renew it, and who does.",
    "ca_certificate": "The platform's CA in PEM, for clients, or the new and the former one; empty "
    "with your own certificate.",
    "backup_passphrase": "Secret. What the database's backups are encrypted with; empty without.",
    "mcp_endpoints": "By server, its address for MCP clients, at `gateway_url`.",
    "nodes": "By node: address, host key, machine's id, role, tier and ssh user.",
    "ssh_private_key": "Secret. The key that logs in to every node.",
    "named_after": "The stack's first name, which objects keep after `pulumi stack rename`.",
    "networks": "By workload, the networks it is on. Only workloads on `data` reach the database.",
    "network_layouts": "How the networks are made, the newest first.",
    "subnet_size": "Prefix length of each network, fixed once the Swarm exists.",
}
