import pytest
from sophia_mcp.errors import MissingSecretError, SettingError
from sophia_mcp.settings import read_settings


def test_defaults():
    settings = read_settings({})
    assert (settings.port, settings.drain_seconds, settings.grace_seconds) == (8000, 5, 10)
    assert settings.allowed_hosts == ()


def test_hosts_are_split_and_trimmed():
    settings = read_settings({"MCP_ALLOWED_HOSTS": " one, two ,,"})
    assert settings.allowed_hosts == ("one", "two")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "0"), ("PORT", "70000"), ("DRAIN_SECONDS", "-1"),
     ("GRACE_SECONDS", "0"), ("GRACE_SECONDS", "1.5"), ("LOG_LEVEL", "LOUD")],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_was_expected(name: str, value: str):
    with pytest.raises(SettingError, match=rf"^{name}: expected .*, got '{value}'$"):
        read_settings({name: value})


def test_a_secret_file_wins_over_the_environment(tmp_path):
    (tmp_path / "KEY").write_text("from-file\n")
    assert read_settings({"KEY": "from-environment"}, tmp_path).secret("KEY") == "from-file"


def test_without_a_file_the_environment_serves(tmp_path):
    assert read_settings({"KEY": "from-environment"}, tmp_path).secret("KEY") == "from-environment"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_secret_is_named(tmp_path, content: str | None):
    if content is not None:
        (tmp_path / "KEY").write_text(content)
    with pytest.raises(MissingSecretError, match=rf"^secret KEY: .*{tmp_path}/KEY"):
        read_settings({}, tmp_path).secret("KEY")
