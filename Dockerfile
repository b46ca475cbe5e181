# Multi-stage: Rust and a C compiler (SQLite and the TLS library are C) to build, nothing but glibc to run.
#
#   docker build -t cpa-exporter --build-arg REVISION="$(git rev-parse HEAD)" .
#
# The runtime image has no version tags, only a moving one per Debian release; pin it by digest with
# --build-arg RUNTIME=gcr.io/distroless/cc-debian13@sha256:... where builds must repeat.

ARG RUNTIME=gcr.io/distroless/cc-debian13:nonroot

FROM rust:1.95.0-slim-trixie AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY crates crates
COPY migrations migrations
COPY prices prices
COPY src src
ARG REVISION=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    GIT_REVISION="$REVISION" cargo build --release --locked --bin cpa-exporter \
    && install -D target/release/cpa-exporter /out/usr/local/bin/cpa-exporter \
    && install -d -m 0700 /out/var/lib/cpa-exporter

FROM ${RUNTIME}
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="cpa-exporter" \
      org.opencontainers.image.description="Prometheus exporter for CLIProxyAPI" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chown=65532:65532 /out/ /
# In a container loopback is only the container itself; who may reach the port is said where it is published.
ENV CPA_EXPORTER_STORAGE_PATH=/var/lib/cpa-exporter \
    CPA_EXPORTER_WEB_LISTEN_ADDRESS=:10317 \
    CPA_EXPORTER_LOG_FORMAT=json
USER 65532:65532
VOLUME /var/lib/cpa-exporter
EXPOSE 10317
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/cpa-exporter", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/cpa-exporter"]
