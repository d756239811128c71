"""Issues, projects, cycles and documents of one Linear workspace, over its GraphQL API."""

from sophia_mcp.policy import reads, writes
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings

from .issues import Issues
from .linear import connect
from .names import Names
from .workspace import Workspace


def build(settings: Settings) -> Server:
    """The server, on the workspace of LINEAR_API_KEY."""
    linear = connect(settings)
    names = Names(linear)
    issues, workspace = Issues(linear, names), Workspace(linear, names)
    return Server(
        settings,
        title="Linear",
        instructions=(
            "Linear: list_issues filters, search_issues finds by words, get_issue and list_comments"
            " read one. Names stand in place of ids: a team's key, an e-mail address, me, a status,"
            " the current cycle."
        ),
        tools=[
            reads(issues.list_issues),
            reads(issues.get_issue),
            writes(issues.create_issue),
            writes(issues.update_issue, repeatable=True),
            reads(issues.search_issues),
            writes(issues.link_issues),
            reads(issues.list_comments),
            writes(issues.create_comment),
            reads(workspace.list_projects),
            reads(workspace.get_project),
            writes(workspace.create_project),
            writes(workspace.update_project, repeatable=True),
            reads(workspace.list_teams),
            reads(workspace.get_team),
            reads(workspace.list_users),
            reads(workspace.get_user),
            reads(workspace.list_cycles),
            reads(workspace.list_issue_labels),
            writes(workspace.create_issue_label),
            reads(workspace.list_issue_statuses),
            reads(workspace.list_documents),
            reads(workspace.get_document),
        ],
        upstreams=[linear.api],
    )
