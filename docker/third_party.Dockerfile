# The packages that an image's tasks import. Made anew when one of these changes, and else shared by all
# images that are made of the same.
ARG BASE
FROM ${BASE}
# Made by Pants (pants-plugins/model_image): /opt/datascience/third_party.
ADD third_party.tar /
