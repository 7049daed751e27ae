# SPDX-License-Identifier: Apache-2.0
# docker build -f deploy/docker/analyzer.Dockerfile -t weir-analyzer .
# The binary is built on the machine (make build-all), so that the image needs nothing but it.
FROM scratch
ARG TARGETARCH=amd64
COPY bin/weir-analyzer-linux-${TARGETARCH} /weir-analyzer
USER 65532:65532
ENTRYPOINT ["/weir-analyzer"]
CMD ["run"]
