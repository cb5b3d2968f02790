import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmulator } from './s3-emulator.js';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

export interface S3Server {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  put(key: string, content: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
export const BUCKET = 'lake';

/**
 * An S3 server with one empty bucket. Where PLUMBLINE_TEST_VERSITYGW names the program of versitygw (`go install
 * github.com/versity/versitygw/cmd/versitygw@v1.8.0`), that one, as a process of its own; else the emulator beside, as no server on npm
 * both runs on Node 20 and takes signed requests of today's client.
 */
export async function startS3(): Promise<S3Server> {
  const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'a/secret+of=ours' };
  const versitygw = process.env['PLUMBLINE_TEST_VERSITYGW'];
  const started =
    versitygw === undefined
      ? await startEmulator({ bucket: BUCKET, pageKeys: 10, ...credentials })
      : await startVersitygw(versitygw, credentials);
  const client = new S3Client({ endpoint: started.endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  return {
    endpoint: started.endpoint,
    credentials,
    async put(key, content) {
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: content }));
    },
    async close() {
      client.destroy();
      await started.close();
    },
  };
}

async function startVersitygw(
  program: string,
  { accessKeyId, secretAccessKey }: S3Server['credentials'],
): Promise<{ endpoint: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-s3-'));
  const port = await freePort();
  const keys = ['--access', accessKeyId, '--secret', secretAccessKey];
  const child = spawn(program, ['--port', `127.0.0.1:${port}`, ...keys, 'posix', folder], { stdio: 'ignore' });
  await answering(port);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface Proxy {
  readonly endpoint: string;
  /** What happens to the next requests, one each; none: they are passed on. */
  readonly faults: Fault[];
  /** `GET /lake/a.csv bytes=5-` of every request so far. */
  readonly requests: string[];
  close(): Promise<void>;
}

export type Fault = { readonly cutAfter: number } | { readonly status: number; readonly code: string };

/** Stands before a server and misbehaves as it is told. */
export async function startProxy(upstream: string): Promise<Proxy> {
  const faults: Fault[] = [];
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    requests.push([incoming.method, decodeURI(incoming.url!), incoming.headers.range].filter(Boolean).join(' '));
    const fault = faults.shift();
    if (fault !== undefined && 'status' in fault) {
      incoming.resume();
      outgoing.writeHead(fault.status, { 'content-type': 'application/xml' });
      return outgoing.end(`<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>told so</Message></Error>`);
    }
    return pass(upstream, incoming, outgoing, fault?.cutAfter);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function pass(upstream: string, incoming: IncomingMessage, outgoing: ServerResponse, cutAfter?: number): void {
  const { method, url, headers } = incoming;
  const forwarded = request(new URL(url!, upstream), { method, headers, agent: false }, (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers);
    if (cutAfter === undefined) return void answer.pipe(outgoing);
    let left = cutAfter;
    if (left === 0) return (void outgoing.flushHeaders(), void outgoing.destroy());
    answer.on('end', () => outgoing.end());
    answer.on('data', (chunk: Buffer) => {
      if (left <= 0) return;
      const part = chunk.subarray(0, left);
      left -= chunk.length;
      outgoing.write(part, () => {
        if (left <= 0) outgoing.destroy();
      });
    });
  });
  forwarded.on('error', () => outgoing.destroy());
  incoming.pipe(forwarded);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const socket = connect(port, '127.0.0.1');
    const isUp = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isUp) return;
    if (tries === 200) throw new Error(`the S3 server did not open port ${port}`);
    await sleep(100);
  }
}
