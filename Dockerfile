# TwisteRL for the processor, without PyTorch: docker build -t twisterl . && docker run -it twisterl play
FROM rust:1.95-slim-bookworm AS build
# Debian keeps no older versions that could be named.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements/build.txt
COPY . .
# With the engine for browsers, which twisterl web puts into its pages.
RUN rustup target add wasm32-unknown-unknown && python3 scripts/web_module.py
WORKDIR /src/python
RUN /venv/bin/maturin build --release --out /dist

FROM python:3.11-slim-bookworm
COPY --from=build /dist /dist
RUN pip install --no-cache-dir /dist/*.whl && rm -rf /dist && useradd --create-home --uid 1000 twisterl
USER 1000
WORKDIR /home/twisterl
ENTRYPOINT ["twisterl"]
CMD ["--help"]
