"""RandomId's four ways of writing one number; a password is a secret."""

import base64

from providers.runtime.codec import encode, is_secret
from toolchain.standins.random.characters import TextInputs
from toolchain.standins.random.provider import IdInputs, RandomId, RandomPassword, RandomString


async def test_the_four_ways_of_writing_agree(context):
    made = await RandomId(None).create(context, IdInputs(byte_length=5, prefix="node-"))
    written = {name: text.removeprefix("node-") for name, text in vars(made.outputs).items()}
    number = bytes.fromhex(written["hex"])

    assert len(number) == 5
    assert base64.b64decode(written["b64_std"]) == number
    assert base64.urlsafe_b64decode(written["b64_url"] + "=") == number
    assert int(written["dec"]) == int.from_bytes(number)
    assert all(text.startswith("node-") for text in vars(made.outputs).values())
    assert made.id == written["b64_url"]


def test_no_bytes_is_a_fault():
    assert [fault.path for fault in RandomId.check(IdInputs(byte_length=0))] == ["byteLength"]


async def test_a_password_is_secret_and_its_id_tells_nothing(context):
    made = await RandomPassword(None).create(context, TextInputs(length=30))

    assert is_secret(encode(made.outputs)["result"])
    assert made.id == "none"
    assert "unsupported" in made.outputs.bcrypt_hash


async def test_two_are_never_the_same(context):
    made = {(await RandomString(None).create(context, TextInputs(length=20))).id for _ in range(9)}

    assert len(made) == 9
