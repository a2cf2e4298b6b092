# The base where a registry can be reached: the official image (CPython 3.13.15 on Debian 13.6) without
# what only builds and installs. What a base must offer: docker/README.md
ARG FROM=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
FROM ${FROM} AS official
COPY docker/base/tidy.py /tmp/tidy.py
# Without a shell's help: it works on any base that has a Python.
RUN ["python3", "-I", "/tmp/tidy.py"]

# What was removed is in no layer of this.
FROM scratch
COPY --from=official / /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8
USER 10001:10001
WORKDIR /work
CMD ["python3.13"]
