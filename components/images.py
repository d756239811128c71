"""Images of the platform: built on this machine's Docker, pushed, and referred to by digest.

An image's tag is the hash of what it is made of. The same content is the same image: nothing is
built or pushed again, and services keep running. Images stay when the stack is destroyed: the
registry has its own retention, and may be gone by then; local ones are Docker's build cache
(`docker image prune --all --filter label=sophia.image`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.handles import RegistryHandle
from components.image_cache import ImageCache, Pull, read
from components.plan import image_context as plan

CONTEXTS = Path(".cache/images")
"""Relative to the project's folder, and so the same in the state of every runner."""


@dataclass(frozen=True)
class ImageBuilderArgs:
    """registry: where images are pushed. private_ca: whether a private CA signed its certificate.

    refresh: a different word rebuilds every image with Debian's updates of that day.
    packages: where Python packages for images are kept.
    """

    registry: RegistryHandle
    private_ca: bool
    refresh: str = ""
    packages: Path = field(
        default_factory=lambda: Path.home() / ".cache" / "sophia" / "image-packages"
    )


class ImageBuilder(pulumi.ComponentResource):
    """What all images share: this machine's Docker, the registry and the cache of contexts."""

    provider: docker.Provider
    registry: RegistryHandle
    private_ca: bool
    refresh: str
    cache: ImageCache

    def __init__(
        self, name: str, args: ImageBuilderArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:ImageBuilder", name, None, opts)
        # Host: DOCKER_HOST or the local socket, as with the docker command.
        self.provider = docker.Provider(f"{name}-docker", opts=pulumi.ResourceOptions(parent=self))
        self.registry, self.private_ca = args.registry, args.private_ca
        self.refresh = args.refresh
        self.cache = ImageCache(CONTEXTS, args.packages)
        self.register_outputs({})


@dataclass(frozen=True)
class ImageArgs:
    """directory: holds the Dockerfile, which takes `ARG BASE`. base: a reference, or an image of
    ours, which is then built first.
    packages: Debian packages, for a server.
    """

    builder: ImageBuilder
    directory: Path
    base: str | Image
    packages: Sequence[str] = ()


class Image(pulumi.ComponentResource):
    """One image. reference: `server/name@sha256:…`, known once it is in the registry.

    tagged: `server/name:tag`, known from the sources alone.
    """

    reference: pulumi.Output[str]
    tagged: str
    built: pulumi.Output[str]

    def __init__(
        self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Image", name, None, opts)
        builder, registry = args.builder, args.builder.registry
        tagged_base = args.base.tagged if isinstance(args.base, Image) else args.base
        context = read(args.directory, tagged_base, args.packages)
        if not isinstance(args.base, Image):  # what is built on ours has its updates
            context = plan.refreshed(context, builder.refresh)
        repository = plan.repository(registry.server, registry.repository, name)
        self.tagged = f"{repository}:{plan.tag(context)}"
        child = pulumi.ResourceOptions(parent=self, provider=builder.provider)
        base = args.base.built if isinstance(args.base, Image) else tagged_base

        directory = str(builder.cache.directory(context))
        built = docker.RemoteImage(
            f"{name}-build",
            name=self.tagged,
            keep_locally=True,
            build=docker.RemoteImageBuildArgs(
                context=_staged(name, builder, context, base),
                # The plugin looks for it from its own working directory, the project's.
                dockerfile=f"{directory}/{plan.DOCKERFILE}",
                build_args={"BASE": base},
                labels={"sophia.image": name},
                # Every Docker has it; buildx may put its images into another store.
                use_legacy_builder=True,
            ),
            opts=child,
        )
        pushed = docker.RegistryImage(
            f"{name}-push",
            name=built.name,
            keep_remotely=True,
            # Only to ask for the digest: the push goes through Docker, which checks the CA.
            insecure_skip_verify=builder.private_ca,
            auth_config=docker.RegistryImageAuthConfigArgs(
                address=f"https://{registry.server}",
                username=registry.username,
                password=registry.password,
            ),
            opts=child,
        )
        self.built = built.name
        self.reference = pulumi.Output.concat(repository, "@", pushed.sha256_digest)
        self.register_outputs({"reference": self.reference})


def _staged(
    name: str, builder: ImageBuilder, context: plan.BuildContext, base: pulumi.Input[str]
) -> pulumi.Output[str]:
    """The context's path; outside previews it exists when the output resolves.

    Then Docker also has the base, if it is one of ours that another machine built: the build
    itself has neither the registry's credentials nor its CA, Docker's own pull has both.
    """
    cache, registry = builder.cache, builder.registry

    async def stage(known: list[str]) -> str:
        reference, password = known
        if not pulumi.runtime.is_dry_run():
            if cache.missing_packages(context):
                pulumi.log.info(f"fetching the Python packages of image {name}")
            await asyncio.to_thread(cache.stage, context)
            if reference.startswith(f"{registry.server}/"):
                pull = Pull(registry.server, registry.username, password)
                await asyncio.to_thread(cache.have, reference, pull)
        return str(cache.directory(context))

    # The path is not secret, only the password is.
    return pulumi.Output.unsecret(pulumi.Output.all(base, registry.password).apply(stage))
