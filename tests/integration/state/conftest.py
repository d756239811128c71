"""A bucket of S3 (moto) as a backend."""

from collections.abc import Iterator

import pytest

from tests.support import s3


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a separate bucket, as a Pulumi backend."""
    with s3.bucket() as made:
        yield made.backend
