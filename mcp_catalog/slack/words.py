"""Pure: Slack's texts as people read them, and its error words as what to do next."""

import html
import json
import re
from collections.abc import Iterable, Mapping

from sophia_mcp.upstream.faults import one_line

_CONTROL = re.compile(r"<([^<>\n]*)>")  # any other < is written &lt;
_NAMELESS = re.compile(r"<[@#]([A-Z0-9]+)\|?>")
_ADVICE = {
    "not_in_channel no_permission": "Somebody in the channel has to invite the bot.",
    "channel_not_found invalid_channel": "Take the id from list_channels, or have the bot invited.",
    "is_archived": "The channel is archived and takes nothing: choose another.",
    "msg_too_long": "Send it in parts, or with upload_file.",
    "thread_not_found message_not_found bad_timestamp": "Take channel and ts of a message as read.",
    "user_not_found users_not_found user_not_visible": "Take the id from list_users.",
    "invalid_name": "There is no such emoji here: try a common one, such as thumbsup.",
    "already_reacted": "The bot's emoji is there already: nothing is left to do.",
    "invalid_cursor": "Begin again without a cursor.",
    "restricted_action restricted_action_read_only_channel restricted_action_thread_locked "
    "posting_to_channel_denied thread_locked": "The workspace's rules forbid it in this channel.",
    "file_uploads_disabled file_type_not_allowed file_upload_size_restricted": "Use send_message.",
    "invalid_auth not_authed account_inactive token_revoked token_expired not_allowed_token_type "
    "user_is_bot": "The token is wrong, revoked or of the wrong kind (SLACK_BOT_TOKEN is xoxb-…, "
    "SLACK_USER_TOKEN xoxp-…): ask the operator of this server for another.",
    "team_not_found team_access_not_granted": "Ask the operator to check SLACK_TEAM_ID.",
    "ratelimited rate_limited": "Too many requests: try again in a minute, and ask for less.",
    "internal_error fatal_error request_timeout service_unavailable": "The fault is Slack's own. A "
    "change may have taken effect: check before you repeat it.",
}
_BY_WORD = {word: advice for words, advice in _ADVICE.items() for word in words.split()}


def explain(body: bytes) -> str:
    """What to do about an answer that says `{"ok": false, "error": "…"}`."""
    told = json.loads(body)
    if told.get("error") != "missing_scope":
        return _BY_WORD.get(str(told.get("error")), "")
    needed, has = (one_line(str(told.get(key, "?"))) for key in ("needed", "provided"))
    return (
        f"The token has no scope {needed}, only {has}: ask the operator of this server to add it "
        "to the Slack app and to install that again."
    )


def mentioned(texts: Iterable[str]) -> set[str]:
    """Ids in `<@U…>` and `<#C…>` that come without a name."""
    return {one for text in texts for one in _NAMELESS.findall(text)}


def readable(text: str, names: Mapping[str, str]) -> str:
    """Mentions by name, links as Markdown, characters unescaped. names: by id."""

    def plain(match: re.Match[str]) -> str:
        first, _, label = match[1].partition("|")
        if first[:1] in ("@", "#"):
            return first[0] + (label or names.get(first[1:], first[1:])).lstrip("@#")
        if first[:1] == "!":  # <!here>, <!subteam^S…|@team>, <!date^…|text>
            return label or f"@{first[1:].split('^')[-1]}"
        return f"[{label}]({first})" if label and label != first else first

    return html.unescape(_CONTROL.sub(plain, text))
