# Builds every image of tasks.
ARG BASE
FROM ${BASE}

# The two folders are not virtual environments, so any base finds them by this path. Python neither imports
# modules from a mounted working folder (SAFEPATH) nor writes byte code to it.
ENV PYTHONPATH=/opt/datascience/first_party:/opt/datascience/third_party \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp

WORKDIR /work
USER 10001:10001
# Usage: `docker run IMAGE models.iris.predict --help`. Without a task, the image lists its tasks.
ENTRYPOINT ["python", "-m"]
CMD ["tasks"]

# Built by Pants (pants-plugins/model_image): /opt/datascience/first_party. Shared modules come first, then the
# model's own, so that a change of the model adds only a few kilobytes.
ADD shared.tar /
ADD own.tar /

# Training records both with each model version. They come last because they change with every commit.
ARG IMAGE
ARG COMMIT
ENV DATASCIENCE_IMAGE=${IMAGE} \
    DATASCIENCE_GIT_COMMIT=${COMMIT}
