# One image for every process of Muster: `docker run muster gateway`, and so on. What runs is the locked, hashed set of
# requirements/runtime.txt, from wheels alone, so nothing is compiled and the image holds no compiler.
FROM python:3.13-slim AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/muster
COPY requirements/runtime.txt /build/requirements/
RUN pip --python /opt/muster/bin/python install --only-binary :all: --no-deps --require-hashes -r /build/requirements/runtime.txt
COPY pyproject.toml README.md LICENSE /build/
COPY shared /build/shared
COPY services /build/services
# Beside the packages and not among them: a change of our code then costs a small layer, and theirs stays as it is.
RUN pip --python /opt/muster/bin/python install --no-deps --no-build-isolation --target /srv/muster /build

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Muster" \
      org.opencontainers.image.description="Inbound SCIM 2.0 provisioning for Microsoft Entra ID and Okta" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin muster
COPY --from=builder /opt/muster /opt/muster
COPY --from=builder /srv/muster /srv/muster
# Inside a container loopback reaches nobody, so the servers listen on every address; compose publishes on loopback.
# /tmp is the only place that is written to, and nothing there outlives the container.
ENV PATH=/srv/muster/bin:/opt/muster/bin:$PATH \
    PYTHONPATH=/srv/muster \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MUSTER_DATA=/tmp/muster \
    MUSTER_GATEWAY_BIND=0.0.0.0:8080 \
    MUSTER_PORTAL_BIND=0.0.0.0:8081 \
    MUSTER_FLOWER_BIND=0.0.0.0:5555
WORKDIR /srv/muster
HEALTHCHECK --interval=10s --timeout=10s --retries=3 --start-period=30s CMD ["python", "-m", "shared.healthy"]
USER 10001:10001
EXPOSE 8080 8081 5555
ENTRYPOINT ["muster"]
CMD ["--help"]
