# One image for every service of the project: `docker run … gate -c /etc/sallyport/sallyport.yaml`.
#
# Built twice from the same base: what installs is left behind, what runs has no compiler, no pip cache and no shell
# history. The root may be read-only; /tmp (tmpfs) and /var/lib/sallyport are all that is written.

FROM debian:12.11-slim AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008 # of the base's own release, whose packages are fixed but for security updates
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/sallyport
WORKDIR /build
COPY requirements.lock ./
RUN /opt/sallyport/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY policies ./policies
COPY proxy ./proxy
COPY sidecars ./sidecars
RUN /opt/sallyport/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index \
    --no-build-isolation . \
 && /opt/sallyport/bin/python -m compileall -q /opt/sallyport/lib

FROM debian:12.11-slim
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008 # as above
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/sallyport --create-home sallyport \
 && install --directory --owner sallyport --group sallyport --mode 700 \
    /var/lib/sallyport /var/lib/sallyport/audit /var/lib/sallyport/state
COPY --from=build /opt/sallyport /opt/sallyport
ENV PATH=/opt/sallyport/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /var/lib/sallyport
USER 10001:10001
VOLUME ["/var/lib/sallyport"]
EXPOSE 6432 8432 9432
# Needs `metrics` in the configuration; /ready is for balancers, a restart cures only what /health denies.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9432/health', timeout=3)"]
ENTRYPOINT ["tini", "--", "sallyport"]
CMD ["up", "-c", "/etc/sallyport/sallyport.yaml"]
