# The base image, if Docker Hub or a mirror of it can be reached:
#   docker build --tag datascience-base:python --file docker/base/python.Dockerfile .
# CPython 3.13.15 on Debian 13.6. To update, change the digest.
ARG FROM=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
FROM ${FROM} AS tidied
# Only this stage runs as root.
# hadolint ignore=DL3002,DL3066
USER root
COPY docker/base/tidy.py /tidy.py
RUN ["python3", "-I", "-B", "/tidy.py"]

# One layer, so that removed files are in no layer.
FROM scratch
# hadolint ignore=DL3067
COPY --from=tidied / /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
WORKDIR /work
CMD ["python3.13"]
