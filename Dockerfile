# One image for all roles: video2mp3 serve | api | worker | notifier | migrate (docs/operations.md).
# Where no registry can be reached, deploy/make-base-image.sh makes the base (make image BASE=…).
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS page
WORKDIR /build
COPY requirements/web.txt requirements/
# The secret is for networks that use private certificates; without it nothing changes.
RUN --mount=type=secret,id=ca_bundle \
    if [ -e /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi && \
    python3 -m venv .venv-web && .venv-web/bin/pip --no-cache-dir install --require-hashes -r requirements/web.txt
COPY web/npm web/.npmrc web/package.json web/package-lock.json web/
RUN --mount=type=secret,id=ca_bundle \
    if [ -e /run/secrets/ca_bundle ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca_bundle; fi && \
    web/npm ci --loglevel=error
COPY web web
RUN web/npm run build -- --logLevel=warn

FROM ${BASE} AS build
WORKDIR /build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN --mount=type=secret,id=ca_bundle \
    if [ -e /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi && \
    python3 -m venv /build/tools && python3 -m venv --without-pip /opt/video2mp3 && \
    /build/tools/bin/pip --no-cache-dir install --require-hashes -r requirements/build.txt && \
    /build/tools/bin/pip --no-cache-dir --python /opt/video2mp3 install \
      --require-hashes --only-binary :all: -r requirements/runtime.txt && \
    : "Debugging symbols of the wheels' own modules are 50 MB; what auditwheel has put beside them is left as it is." && \
    find /opt/video2mp3 -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
COPY pyproject.toml README.md LICENSE ./
COPY LICENSES LICENSES
COPY requirements/base.in requirements/client.in requirements/service.in requirements/
COPY src src
COPY --from=page /build/src/video2mp3/api/page src/video2mp3/api/page
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . && \
    /build/tools/bin/pip --python /opt/video2mp3 install --no-deps --no-index dist/*.whl && \
    mkdir /data

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="video2mp3" \
      org.opencontainers.image.description="Turns video into MP3: a service, a command line and a Python library" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/video2mp3 /opt/video2mp3
# A new volume takes over the owner of the folder that it covers.
COPY --from=build --chown=10001:10001 /data /data
# The base has no bytecode of Python's own library, and where the root cannot be written none could be kept: each start
# would compile what it loads.
RUN ["/opt/video2mp3/bin/python3", "-c", "import compileall, re, sysconfig; compileall.compile_dir(sysconfig.get_path('stdlib'), quiet=2, rx=re.compile('/(test|tests|idlelib|lib2to3|site-packages|turtledemo)/'))"]
ENV PATH=/opt/video2mp3/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    VIDEO2MP3_HOST=0.0.0.0 \
    VIDEO2MP3_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["video2mp3", "health"]
ENTRYPOINT ["video2mp3"]
CMD ["serve"]
