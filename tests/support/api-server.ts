import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ApiServer {
  readonly url: string;
  /** `METHOD /path?query` of every request, in their order. */
  readonly requests: string[];
  readonly received: IncomingMessage[];
  /** What it does with the next requests. */
  answer: (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;
  close(): Promise<void>;
}

/** A real HTTP server on this machine that behaves as a test says. */
export async function startApiServer(answer: ApiServer['answer']): Promise<ApiServer> {
  const server = createServer((request, response) => {
    api.requests.push(`${request.method} ${request.url}`);
    api.received.push(request);
    void (async () => api.answer(request, response, new URL(request.url!, api.url)))().catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api: ApiServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    received: [],
    answer,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return api;
}

export function sendJson(response: ServerResponse, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
