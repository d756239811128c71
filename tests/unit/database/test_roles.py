"""The statements of passwords; what they do to a server is tests/integration/database."""

from __future__ import annotations

from images.database import roles


def test_a_start_has_one_statement_a_line_and_leaves_those_that_were_noted():
    noted = {"sophia": "SCRAM-SHA-256$4096:a$b:c", "sophia_1a2b3c4d": "SCRAM-SHA-256$4096:d$e:f"}
    made = list(roles.again("sophia", noted))
    assert not [statement for statement in made if "\n" in statement]
    assert 'GRANT "sophia" TO "sophia_1a2b3c4d"' in made
    assert 'GRANT "sophia" TO "sophia"' not in made
    assert "NOT IN ('sophia', 'sophia_1a2b3c4d')" in made[-1]


def test_a_volume_without_notes_is_left_as_it_is():
    assert list(roles.again("sophia", {})) == []


def test_nothing_has_the_password_itself():
    kept = roles.verifier("a1B2" * 8, bytes(16))
    assert kept.startswith("SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$")
    assert "a1B2" not in "".join([*roles.admission("sophia", "sophia_1", kept)])
