# Two stages: the first one needs the network and a build tool, the second one is what runs.
FROM python:3.13-slim-trixie AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# Two of Shopify's packages come as source only; the build lock holds what builds them.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock \
    && /opt/build/bin/pip wheel --require-hashes --only-binary :all: --no-binary pyactiveresource,shopifyapi \
        --no-build-isolation --use-pep517 -r requirements.lock --wheel-dir /wheels \
    && python -m venv /opt/winback \
    && /opt/winback/bin/pip install --no-index --no-deps /wheels/*.whl

COPY pyproject.toml README.md LICENSE winback.cdx.json ./
COPY connector connector
COPY platforms platforms
COPY crm crm
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/winback/bin/pip install --no-index --no-deps /dist/*.whl \
    && /opt/winback/bin/pip uninstall --yes pip


FROM python:3.13-slim-trixie
ENV PATH=/opt/winback/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WINBACK_DATABASE_URL=sqlite:////data/winback.db

# A fixed number, so that the owner of a mounted folder can be set to it.
RUN groupadd --gid 10001 winback \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin winback \
    && install -d -o 10001 -g 10001 -m 0750 /data \
    && install -d -m 0755 /config
COPY --from=builder /opt/winback /opt/winback

USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8484

# Not urllib: it would send even this through a proxy named in the environment.
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8484, timeout=5); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["winback"]
CMD ["run", "-c", "/config"]
