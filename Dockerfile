# syntax=docker/dockerfile:1
# Temporal's native library needs glibc: no Alpine.
FROM node:22.20.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY scripts ./scripts
RUN node --input-type=module -e "(await import('/app/scripts/install.mjs')).ensureInstalled()"
COPY tsconfig.json ./
COPY src ./src
RUN node scripts/build.mjs \
 && npm prune --omit=dev --no-audit --no-fund
COPY docker/prune-platforms.mjs ./docker/
RUN node docker/prune-platforms.mjs

FROM node:22.20.0-bookworm-slim
# Python runs the users' own scripts and notebooks, in environments the worker builds; git tells the commit of a run.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production ORT_DISABLE_TELEMETRY=1
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json embedded-binaries.json ./
COPY migrations ./migrations
COPY schema ./schema
COPY examples ./examples
COPY python ./python
COPY docker/worker-health.mjs ./docker/
RUN ln -s /app/dist/cli/main.js /usr/local/bin/plumbline \
 && mkdir -p /var/lib/plumbline/store /var/lib/plumbline/.plumbline \
 && chown -R node:node /var/lib/plumbline
USER node
# Named volumes take the owner of these folders.
WORKDIR /var/lib/plumbline
ENTRYPOINT ["plumbline"]
CMD ["--help"]
