from __future__ import annotations

from pants.backend.python.target_types import PexCompletePlatformsField, PythonResolveField
from pants.core.goals.package import OutputPathField
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    Dependencies,
    StringField,
    StringSequenceField,
    Target,
)
from pants.util.strutil import help_text

# What `tailor` calls it; only one of another name has that in its repository.
NAME = "image"


class ImageTasksField(StringSequenceField):
    alias = "tasks"
    default = (":",)
    help = help_text(
        """
        The `pex_binary` targets whose modules the image runs, as on Pants' command line: addresses,
        `src::` for all below a folder, `-src/models/churn::` for all but these. Other targets that
        match, and those of another resolve, are passed over.

        By default all of this BUILD file. Example: `tasks=["src::"]`.
        """
    )


class ImageDependenciesField(Dependencies):
    help = help_text(
        """
        What else the image holds. The tasks, and the Dockerfiles that make the image, are inferred.
        """
    )


class ImageRepositoryField(StringField):
    alias = "repository"
    help = help_text(
        """
        The image's name without registry and tag.

        By default the path below the source root: `src/models/iris:image` makes `models/iris`, and
        `src/models/iris:training` makes `models/iris/training`.
        """
    )


class ImageRegistriesField(StringSequenceField):
    alias = "registries"
    default = ("<all default registries>",)
    help = help_text(
        """
        Where `publish` pushes the image: addresses, or aliases of `[docker.registries]` with an `@`
        before them.

        By default all registries that are configured with `default = true`.
        """
    )


class ImageSkipPushField(BoolField):
    alias = "skip_push"
    default = False
    help = "If true, `publish` leaves this image out."


class ImageCompletePlatformsField(PexCompletePlatformsField):
    default = ("3rdparty/python/platforms:linux_x86_64",)
    help = help_text(
        """
        The platform that the image's third-party packages are chosen for, whatever machine it is
        built on: the address of a `file` that `pex3 interpreter inspect --markers --tags` wrote.
        """
    )


class ModelImageTarget(Target):
    alias = "model_image"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        ImageDependenciesField,
        ImageTasksField,
        ImageRepositoryField,
        ImageRegistriesField,
        ImageSkipPushField,
        ImageCompletePlatformsField,
        OutputPathField,
        PythonResolveField,
    )
    help = help_text(
        """
        A Docker image of tasks: a base, the third-party packages that the tasks import, and the
        first-party modules that they import, each a layer of its own and nothing else.

        A task is run by its module's name: `docker run models/iris models.iris.predict --help`.
        Without one, the image lists its tasks.

        The image is tagged by its content, by the git commit (where nothing is uncommitted) and as
        `latest`. What is there by its content is neither built nor pushed again.

        For example, beside the `pex_binary` targets of a model:

            model_image(name="image")
        """
    )
