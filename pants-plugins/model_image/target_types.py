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

# The name that `tailor` gives. Any other target name becomes part of the image's repository.
NAME = "image"


class ImageTasksField(StringSequenceField):
    alias = "tasks"
    default = (":",)
    help = help_text(
        """
        The `pex_binary` targets whose modules the image runs, written as on Pants' command line:
        an address, `src::` for all targets below a folder, or `-src/models/churn::` to exclude
        some. Other kinds of targets, and targets of other resolves, are ignored.

        By default, all `pex_binary` targets of this BUILD file. Example: `tasks=["src::"]`.
        """
    )


class ImageDependenciesField(Dependencies):
    help = help_text(
        """
        Further dependencies of the image. Its tasks and its Dockerfiles are inferred.
        """
    )


class ImageRepositoryField(StringField):
    alias = "repository"
    help = help_text(
        """
        The image's name without registry and tag.

        By default, the path below the source root: `models/iris` for `src/models/iris:image`, and
        `models/iris/training` for `src/models/iris:training`.
        """
    )


class ImageRegistriesField(StringSequenceField):
    alias = "registries"
    default = ("<all default registries>",)
    help = help_text(
        """
        The registries that `publish` pushes the image to: addresses, or `@` and an alias of
        `[docker.registries]`.

        By default, all registries that are configured with `default = true`.
        """
    )


class ImageSkipPushField(BoolField):
    alias = "skip_push"
    default = False
    help = "If true, `publish` skips this image."


class ImageCompletePlatformsField(PexCompletePlatformsField):
    default = ("3rdparty/python/platforms:linux_x86_64",)
    help = help_text(
        """
        The platform of the image's third-party packages, which may differ from the machine that
        builds it. The address of a `file` with the output of
        `pex3 interpreter inspect --markers --tags`.
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
        A Docker image that runs tasks. It has separate layers for the base, for the third-party
        packages that the tasks import, and for the first-party modules that they import.

        Run a task by its module's name: `docker run models/iris models.iris.predict --help`.
        Without a task, the image lists its tasks.

        The image is tagged by its content, by the git commit (if nothing is uncommitted) and as
        `latest`. An image whose content tag already exists is neither built nor pushed again.

        For example, next to the `pex_binary` targets of a model:

            model_image(name="image")
        """
    )
