import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PartDefinition } from '../../src/embedded/part.js';
import { openPortBook } from '../../src/embedded/port-book.js';
import { identify, type ProcessIdentity } from '../../src/embedded/processes/process-identity.js';
import { servingPart } from '../../src/embedded/serving-part.js';
import { temporalPart } from '../../src/embedded/temporal-part.js';

const shared = { logsDir: tmpdir(), env: {} };
let own: ProcessIdentity;
const ended: (() => void)[] = [];
beforeEach(async () => {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  await once(child, 'spawn');
  ended.push(() => child.kill('SIGKILL'));
  own = (await identify(child.pid!))!;
});
afterEach(() => ended.splice(0).forEach((end) => end()));

/** A server of somebody else that answers everything with 200. */
async function foreignServer(port: number): Promise<void> {
  const server = createServer((_request, response) => response.end('{"live":true}')).listen(port, '127.0.0.1');
  await once(server, 'listening');
  ended.push(() => server.close());
}

const ports = openPortBook({}, () => {});
const parts: readonly [PartDefinition, readonly ('serving' | 'temporal' | 'temporalUi')[]][] = [
  [servingPart({ ...shared, cli: 'cli', root: tmpdir(), ports, port: undefined }), ['serving']],
  [
    temporalPart({ ...shared, program: 'temporal', namespace: 'default', ports, stateDir: tmpdir() }),
    ['temporal', 'temporalUi'],
  ],
];

it.each(parts)(
  '$name is not ready by another server’s answer, and takes another port next time',
  async (part, names) => {
    await part.launch();
    const taken = names.map((name) => ports.get(name)!);
    for (const port of taken) await foreignServer(port);
    expect(await part.isReady(own)).toBe(false);
    await part.launch();
    for (const [index, name] of names.entries()) expect(ports.get(name)).not.toBe(taken[index]);
  },
);
