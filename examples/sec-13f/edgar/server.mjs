// A replay of EDGAR over the files beside it, with the SEC's rules: who does not say who they are gets 403, who asks more than ten times
// in a second 429. `node edgar/server.mjs [port]`, or startEdgar() in a test.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const PER_SECOND = 10;

/**
 * @param {{ port?: number, cut?: Record<string, number>, slow?: Record<string, number>, busy?: Record<string, number> }} options
 *   by the end of a path, how many of the next answers are cut in the middle, stay silent after their first bytes, or are 503
 */
export async function startEdgar({ port = 0, cut = {}, slow = {}, busy = {} } = {}) {
  /** @type {{ path: string, status: number, atMs: number, agent: string | undefined }[]} */
  const log = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://edgar').pathname);
    const agent = request.headers['user-agent'];
    const atMs = performance.now();
    const recent = log.filter((one) => one.atMs > atMs - 1000).length;
    const line = { path, status: 200, atMs, agent };
    log.push(line);
    const refuse = (status, text, headers = {}) => {
      line.status = status;
      response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(`<html><body>${text}</body></html>`);
    };
    if (!/\S+@\S+\.\S+/.test(agent ?? '')) return refuse(403, 'Undeclared automated tool');
    if (recent >= PER_SECOND) return refuse(429, 'Request rate threshold exceeded', { 'retry-after': '1' });
    if (taken(busy, path)) return refuse(503, 'Service unavailable', { 'retry-after': '1' });
    const body = await content(path);
    if (body === undefined) return refuse(404, 'NoSuchKey');
    const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
    if (request.headers['if-none-match'] === etag) {
      line.status = 304;
      return response.writeHead(304, { etag }).end();
    }
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length, etag });
    if (taken(cut, path)) return response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy());
    if (taken(slow, path)) return void response.write(body.subarray(0, 10));
    response.end(body);
  });
  await new Promise((listening) => server.listen(port, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    log,
    close: () => new Promise((closed) => (server.close(closed), server.closeAllConnections())),
  };
}

function taken(faults, path) {
  const name = Object.keys(faults).find((end) => path.endsWith(end) && faults[end] > 0);
  if (name === undefined) return false;
  faults[name]--;
  return true;
}

async function content(path) {
  const file = join(FOLDER, normalize(path));
  if (!['Archives', 'files'].some((served) => file.startsWith(join(FOLDER, served, '/')))) return undefined;
  return readFile(file).catch(() => readFile(`${file}.gz`).then(gunzipSync, () => undefined));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startEdgar({ port: Number(process.argv[2] ?? 8013) });
  console.log(`EDGAR's replay listens at ${url}`);
}
