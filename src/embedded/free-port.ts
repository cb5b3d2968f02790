import { createServer } from 'node:net';

/**
 * A free loopback port: the first free one of `wanted`, else any. Another program may take it before it is used, so
 * whoever binds it must be ready to ask again.
 */
export async function freePort(wanted: readonly number[], taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (const port of wanted) {
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  const port = await listen(0);
  if (port === undefined || taken.has(port)) return freePort([], taken);
  return port;
}

export async function isFree(port: number): Promise<boolean> {
  return (await listen(port)) !== undefined;
}

async function listen(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: bound } = server.address() as { port: number };
      server.close(() => resolve(bound));
    });
  });
}
