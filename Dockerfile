# All images, one target each: mcp-auth, mcp-server, dev-idp, filter, envoy. examples/docker-compose runs them.
#
#   docker build --target mcp-auth --tag mcp-auth .
#
# Built with BuildKit. Base images are arguments, so that mirrors and images of your own can be used.
ARG RUST_IMAGE=rust:1.95.0-bookworm
ARG NODE_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12
ARG ENVOY_IMAGE=envoyproxy/envoy:v1.40.0
# Where programs and filter come from: `build` (from source, here) or `dist` (`make dist`, before).
ARG BINARIES=build

FROM ${RUST_IMAGE} AS source
WORKDIR /src
COPY rust-toolchain.toml ./
COPY scripts scripts
RUN scripts/setup-wasm-target.sh
COPY Cargo.toml Cargo.lock Makefile ./
COPY benches benches
COPY crates crates
COPY examples examples
COPY mcp-server mcp-server
COPY sidecar sidecar
COPY src src
COPY tests tests

# Programs name their crates in themselves, for scanners and SBOMs.
FROM ${RUST_IMAGE} AS auditable
RUN cargo install --locked --version 0.7.7 --root /usr/local cargo-auditable

# The caches outlive layers: a change of the sources compiles what changed.
FROM source AS build-programs
COPY --from=auditable /usr/local/bin/cargo-auditable /usr/local/bin/
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=mcp-auth-programs,target=/src/target,sharing=locked \
    cargo fetch --locked \
    && make programs CARGO="cargo auditable"

# The module is shrunk by WebAssembly's own optimiser, which comes as a package of Node.js.
FROM ${NODE_IMAGE} AS wasm-tools
WORKDIR /src
COPY scripts scripts
COPY tools tools
RUN scripts/setup-wasm-tools.sh

FROM source AS build-filter
COPY --from=wasm-tools /usr/local/bin/node /usr/local/bin/
COPY --from=wasm-tools /src/tools tools
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=mcp-auth-filter,target=/src/target,sharing=locked \
    cargo fetch --locked \
    && make wasm

FROM scratch AS programs-build
COPY --from=build-programs /src/dist/ /

FROM scratch AS filter-build
COPY --from=build-filter /src/dist/mcp_auth_filter.wasm /

FROM scratch AS programs-dist
COPY dist/mcp-auth dist/mcp-server dist/dev-idp /

FROM scratch AS filter-dist
COPY dist/mcp_auth_filter.wasm /

FROM programs-${BINARIES} AS programs
FROM filter-${BINARIES} AS filter-binary

# What changes with every revision comes last, behind the layers.
FROM ${RUNTIME_IMAGE} AS runtime
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="mcp-auth"
USER 65532:65532
WORKDIR /

# Sessions, revocations and the OAuth authorization server.
FROM runtime AS mcp-auth
COPY --from=programs --chmod=0555 /mcp-auth /usr/bin/mcp-auth
EXPOSE 8081 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/bin/mcp-auth", "health"]
ENTRYPOINT ["/usr/bin/mcp-auth"]
CMD ["serve"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mcp-auth" \
      org.opencontainers.image.description="Sessions, revocations and the OAuth authorization server beside the mcp-auth filter" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The MCP server of the demo.
FROM runtime AS mcp-server
COPY --from=programs --chmod=0555 /mcp-server /usr/bin/mcp-server
EXPOSE 9100
ENTRYPOINT ["/usr/bin/mcp-server"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mcp-server" \
      org.opencontainers.image.description="A small MCP server that reads identity headers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The identity provider of the demo. Anyone is anyone there: never for production.
FROM runtime AS dev-idp
COPY --from=programs --chmod=0555 /dev-idp /usr/bin/dev-idp
EXPOSE 9000
ENTRYPOINT ["/usr/bin/dev-idp"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dev-idp" \
      org.opencontainers.image.description="Development identity provider, for demos and tests only" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# What Istio and Envoy Gateway pull: one layer with /plugin.wasm.
FROM scratch AS filter
COPY --from=filter-binary --chmod=0444 /mcp_auth_filter.wasm /plugin.wasm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mcp-auth-filter" \
      org.opencontainers.image.description="Proxy-Wasm filter that authenticates requests to MCP servers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Envoy with the filter in it, for hosts without a mesh. Brings no configuration.
FROM ${ENVOY_IMAGE} AS envoy
COPY --from=filter-binary --chmod=0444 /mcp_auth_filter.wasm /etc/envoy/mcp_auth_filter.wasm
USER 101:101
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mcp-auth-envoy" \
      org.opencontainers.image.description="Envoy with the mcp-auth filter" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
