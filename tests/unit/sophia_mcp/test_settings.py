import pytest
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings


def test_defaults():
    settings = read_settings("toy", {})
    assert (settings.port, settings.drain_seconds, settings.grace_seconds) == (8000, 5, 20)
    assert (settings.address, settings.allowed_hosts) == ("0.0.0.0", ())


def test_hosts_are_split_and_trimmed():
    settings = read_settings("toy", {"MCP_ALLOWED_HOSTS": " one, two ,,"})
    assert settings.allowed_hosts == ("one", "two")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "0"), ("PORT", "70000"), ("DRAIN_SECONDS", "-1"),
     ("GRACE_SECONDS", "0"), ("GRACE_SECONDS", "1.5"), ("LOG_LEVEL", "LOUD"),
     ("LISTEN_ADDRESS", "localhost")],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_was_expected(name: str, value: str):
    with pytest.raises(SettingError, match=rf"^{name}: expected .*, got '{value}'$"):
        read_settings("toy", {name: value})


def test_a_secret_file_wins_over_the_environment(tmp_path):
    (tmp_path / "KEY").write_text("from-file\n")
    assert (
        read_settings("toy", {"KEY": "from-environment"}, tmp_path).secret_or_none("KEY")
        == "from-file"
    )


def test_without_a_file_the_environment_serves(tmp_path):
    assert (
        read_settings("toy", {"KEY": "from-environment"}, tmp_path).secret_or_none("KEY")
        == "from-environment"
    )


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_secret_is_none(tmp_path, content: str | None):
    if content is not None:
        (tmp_path / "KEY").write_text(content)
    assert read_settings("toy", {}, tmp_path).secret_or_none("KEY") is None


def test_a_credential_keeps_its_name_and_is_never_printed(tmp_path):
    settings = read_settings("toy", {"KEY": "hidden"}, tmp_path)
    assert settings.credential("OTHER").value is None
    assert settings.credential("KEY").value == "hidden"
    assert "hidden" not in repr(settings.credential("KEY"))


def test_a_secret_file_that_can_not_be_read_is_one_line(tmp_path):
    (tmp_path / "KEY").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match=r"^secret KEY: .*/KEY can't be read: it is not UTF-8$"):
        read_settings("toy", {}, tmp_path).credential("KEY")


def test_what_is_needed_may_be_missing_at_the_start():
    settings = read_settings("toy", {"TEAM": "T0123", "EMPTY": ""})
    given = [settings.needed(name) for name in ("TEAM", "EMPTY", "MISSING")]
    assert [one.value for one in given] == ["T0123", None, None]
    assert [one.name for one in given] == ["TEAM", "EMPTY", "MISSING"]


def test_flags_choices_and_texts():
    settings = read_settings("toy", {"ON": "true", "OFF": "", "SIZE": "big", "LIST": " a,, b "})
    assert settings.text("SIZE", "small") == "big"
    assert settings.text("OFF", "small") == settings.text("MISSING", "small") == "small"
    assert settings.flag("ON")
    assert not settings.flag("OFF")
    assert settings.flag("MISSING", True)
    assert settings.choice("SIZE", ("small", "big"), "small") == "big"
    assert settings.choice("MISSING", ("small", "big"), "small") == "small"
    assert settings.texts("LIST") == ("a", "b")
    assert settings.texts("MISSING") == ()
    with pytest.raises(SettingError, match=r"^SIZE: expected true or false, got 'big'$"):
        settings.flag("SIZE")
    with pytest.raises(SettingError, match=r"^SIZE: expected one of a, b, got 'big'$"):
        settings.choice("SIZE", ("a", "b"), "a")


@pytest.mark.parametrize("text", ["https://a.b", "http://a.b:80/c/", "http://[::1]:80"])
def test_an_address_is_taken_as_it_is(text: str):
    assert read_settings("toy", {"URL": text}).url("URL", "https://d") == text


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("cloud", "begins with neither"),
        ("ftp://a.b", "begins with neither"),
        ("https://", "begins with neither"),
        ("https://a.b:x", "got something else"),
        ("https://[a.b", "got something else"),
        ("https://u:hidden@a.b", "with a user"),
        ("https://a.b?key=hidden", "a query"),
        ("https://a.b#hidden", "a fragment"),
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(text: str, got: str):
    with pytest.raises(SettingError, match=rf"^URL: expected an address such as https://d.*{got}"):
        read_settings("toy", {"URL": text}).url("URL", "https://d")
    with pytest.raises(SettingError) as caught:
        read_settings("toy", {"URL": text}).url("URL", "https://d")
    assert "hidden" not in str(caught.value)


def test_amounts_are_in_dollars():
    settings = read_settings("toy", {"CAP": "0.25", "WHOLE": "100", "NONE": "0", "EMPTY": ""})
    names = ("CAP", "WHOLE", "NONE", "EMPTY", "MISSING")
    assert [settings.usd(name, "0.10", most=100) for name in names] == [0.25, 100, 0, 0.1, 0.1]


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e2", "0,10", "$1", "101", "100.000001"])
def test_what_is_no_amount_is_named_with_what_was_expected(text: str):
    expected = r"^CAP: expected US dollars from 0 to 100 such as 0\.10, got "
    with pytest.raises(SettingError, match=expected):
        read_settings("toy", {"CAP": text}).usd("CAP", "0.10", most=100)
