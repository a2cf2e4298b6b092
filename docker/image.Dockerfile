# Every image of tasks: a model's own, and the one with all of them.
ARG BASE
FROM ${BASE}

# Neither is a virtual environment: they are found on any base by the path alone. A folder that is mounted
# is no place for modules (SAFEPATH), nor for byte code.
ENV PYTHONPATH=/opt/datascience/first_party:/opt/datascience/third_party \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp

WORKDIR /work
USER 10001:10001
# `docker run IMAGE models.iris.predict --help`; without a task, the list of them.
ENTRYPOINT ["python", "-m"]
CMD ["tasks"]

# Made by Pants (pants-plugins/model_image): /opt/datascience/first_party. What other models import too,
# then what is the model's own, so that a change of it adds a few kilobytes.
ADD shared.tar /
ADD own.tar /

# Training records both with each model version. They come last: they differ with every commit.
ARG IMAGE
ARG COMMIT
ENV DATASCIENCE_IMAGE=${IMAGE} \
    DATASCIENCE_GIT_COMMIT=${COMMIT}
