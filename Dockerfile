# TwisteRL for the processor, without PyTorch: docker build -t twisterl . && docker run -it twisterl play
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir "$(grep '^maturin==' requirements/run.txt)"
COPY . .
WORKDIR /src/python
RUN /venv/bin/maturin build --release --out /dist

FROM python:3.11-slim-bookworm
COPY --from=build /dist /dist
RUN pip install --no-cache-dir /dist/*.whl && rm -rf /dist && useradd --create-home twisterl
USER twisterl
WORKDIR /home/twisterl
ENTRYPOINT ["twisterl"]
CMD ["--help"]
