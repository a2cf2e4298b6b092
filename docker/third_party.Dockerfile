# The packages that an image's tasks import. Images with the same packages share this image.
ARG BASE
FROM ${BASE}
# Built by Pants (pants-plugins/model_image): /opt/datascience/third_party.
ADD third_party.tar /
