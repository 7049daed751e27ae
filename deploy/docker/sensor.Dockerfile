# SPDX-License-Identifier: Apache-2.0
# docker build -f deploy/docker/sensor.Dockerfile -t weir-sensor .
# The binary is built on the machine (make build-all), so that the image needs nothing but it.
# Root inside: capabilities of a container go to uid 0 alone; the manifest drops all but NET_RAW.
FROM scratch
ARG TARGETARCH=amd64
COPY bin/weir-sensor-linux-${TARGETARCH} /weir-sensor
USER 0:0
ENTRYPOINT ["/weir-sensor"]
CMD ["check"]
