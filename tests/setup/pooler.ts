import { randomInt } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TestPooler {
  readonly url: string;
  /** Connections to PostgreSQL now. */
  size(): number;
  close(): Promise<void>;
}

export interface TestPoolerOptions {
  /** When a client gives its connection back. @default transaction */
  readonly mode?: 'session' | 'transaction';
  /** Connections to PostgreSQL at most. @default 5 */
  readonly size?: number;
  /** Startup parameters that clients may send and that are kept for them. @default those of PgBouncer 1.20 and newer */
  readonly tracked?: readonly string[];
}

// https://www.pgbouncer.org/config.html: these, and track_extra_parameters, whose default is IntervalStyle.
const TRACKED = ['client_encoding', 'datestyle', 'timezone', 'standard_conforming_strings', 'application_name', 'intervalstyle']; // prettier-ignore

interface Server {
  readonly socket: Socket;
  /** What it reported, and what clients have had set on it since. */
  readonly settings: Map<string, string>;
  client: PooledClient | undefined;
}

interface PooledClient {
  readonly socket: Socket;
  readonly settings: Map<string, string>;
  server: Server | undefined;
  /** Messages that wait for a connection. */
  readonly waiting: Buffer[];
  /** Answers that end in ReadyForQuery and are still to come. */
  outstanding: number;
}

/**
 * A pooler for tests that does what PgBouncer does: it reads the protocol, lends a connection when a client sends something,
 * takes it back when ReadyForQuery says that no transaction is open, keeps the tracked parameters of each client, answers a
 * start by itself with a key of its own, and refuses startup parameters it does not track. Trust is all it knows of logins.
 */
export async function startTestPooler(target: string, options: TestPoolerOptions = {}): Promise<TestPooler> {
  const { mode = 'transaction', size = 5, tracked = TRACKED } = options;
  const { hostname, port, pathname, username } = new URL(target);
  const servers = new Set<Server>();
  const idle: Server[] = [];
  const queue: PooledClient[] = [];
  const clients = new Set<Socket>();
  let opening = 0;

  const openServer = (): void => {
    opening++;
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    const server: Server = { socket, settings: new Map(), client: undefined };
    let isReady = false;
    socket.write(startup({ user: username, database: pathname.slice(1) }));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (!isReady) opening--;
      servers.delete(server);
      if (idle.includes(server)) idle.splice(idle.indexOf(server), 1);
      server.client?.socket.end();
    });
    onMessages(socket, (type, message) => {
      if (type === 'S') {
        const [name = '', value = ''] = message.toString('utf8', 5).split('\0');
        const key = name.toLowerCase();
        server.settings.set(key, value);
        // What a client sets during its session is the client's own.
        if (isReady && tracked.includes(key)) server.client?.settings.set(key, value);
      }
      if (!isReady) {
        if (type !== 'Z') return;
        isReady = true;
        opening--;
        servers.add(server);
        giveBack(server);
        return;
      }
      const { client } = server;
      client?.socket.write(message);
      if (type !== 'Z' || client === undefined) return;
      client.outstanding--;
      if (mode === 'transaction' && client.outstanding === 0 && message.toString('latin1', 5, 6) === 'I') {
        client.server = undefined;
        giveBack(server);
      }
    });
  };
  const giveBack = (server: Server): void => {
    server.client = undefined;
    const next = queue.shift();
    if (next === undefined) idle.push(server);
    else lend(server, next);
  };
  const lend = (server: Server, client: PooledClient): void => {
    const differing = [...client.settings].filter(([name, value]) => server.settings.get(name) !== value);
    server.client = client;
    client.server = server;
    const send = (): void => {
      for (const message of client.waiting.splice(0)) server.socket.write(message);
    };
    if (differing.length === 0) return send();
    // One statement in front of the client's own; its answer is not the client's.
    server.client = undefined;
    const sql = differing.map(([name, value]) => `SET ${name} = '${value.replaceAll("'", "''")}'`).join('; ');
    server.socket.write(message('Q', `${sql}\0`));
    const swallow = (type: string): void => {
      if (type !== 'Z') return;
      listeners.get(server.socket)!.delete(swallow);
      server.client = client;
      send();
    };
    listeners.get(server.socket)!.add(swallow);
  };
  const fromClient = (client: PooledClient, type: string, text: Buffer): void => {
    if (type === 'X') return void client.socket.end();
    if (type === 'Q' || type === 'S') client.outstanding++;
    if (client.server !== undefined && client.server.client === client) return void client.server.socket.write(text);
    client.waiting.push(text);
    if (client.server !== undefined || queue.includes(client)) return;
    const server = idle.pop();
    if (server !== undefined) return lend(server, client);
    queue.push(client);
    if (servers.size + opening < size) openServer();
  };

  const listener = createServer({ noDelay: true }, (socket) => {
    clients.add(socket);
    const client: PooledClient = { socket, settings: new Map(), server: undefined, waiting: [], outstanding: 0 };
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clients.delete(socket);
      if (queue.includes(client)) queue.splice(queue.indexOf(client), 1);
      // Nobody knows the state of one in the middle of something.
      client.server?.socket.destroy();
    });
    onStart(socket, (parameters) => {
      const refused = settle(client, parameters, tracked);
      if (refused !== undefined) return void socket.end(fatal('08P01', `unsupported startup parameter${refused}`));
      const status = [...client.settings].map(([name, value]) => message('S', `${name}\0${value}\0`));
      const key = Buffer.alloc(8);
      key.writeUInt32BE(randomInt(2 ** 30, 2 ** 31), 0);
      socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ...status, message('K', key), message('Z', 'I')]));
      onMessages(socket, (type, text) => fromClient(client, type, text));
    });
  });
  listener.listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const url = new URL(target);
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    size: () => servers.size,
    async close() {
      for (const socket of [...clients, ...[...servers].map((server) => server.socket)]) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** Takes the parameters of a start; gives how one that it does not know is called in the refusal. */
function settle(client: PooledClient, parameters: Map<string, string>, tracked: readonly string[]): string | undefined {
  for (const [name, value] of parameters) {
    if (name === 'user' || name === 'database') continue;
    if (name !== 'options') {
      if (!tracked.includes(name.toLowerCase())) return `: ${name}`;
      client.settings.set(name.toLowerCase(), value);
      continue;
    }
    if (!tracked.includes('intervalstyle')) return ': options';
    for (const [, key = '', text = ''] of value.matchAll(/-c\s*([\w.]+)=(\S*)/g)) {
      if (!tracked.includes(key.toLowerCase())) return ` in options: ${key}`;
      client.settings.set(key.toLowerCase(), text);
    }
  }
  return undefined;
}

type OnMessage = (type: string, message: Buffer) => void;
const listeners = new WeakMap<Socket, Set<OnMessage>>();

/** Cuts the stream into messages: a type byte, then the length of the rest with itself. */
function onMessages(socket: Socket, onMessage: OnMessage): void {
  const all = new Set<OnMessage>([onMessage]);
  listeners.set(socket, all);
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
      const length = 1 + rest.readUInt32BE(1);
      const whole = rest.subarray(0, length);
      rest = rest.subarray(length);
      for (const each of [...all]) each(whole.toString('latin1', 0, 1), whole);
    }
  });
}

const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;

function onStart(socket: Socket, onParameters: (parameters: Map<string, string>) => void): void {
  socket.once('data', (data: Buffer) => {
    const code = data.readUInt32BE(4);
    if (code === CANCEL_REQUEST) return void socket.end();
    if (code === SSL_REQUEST) {
      socket.write('N');
      return onStart(socket, onParameters);
    }
    const words = data.toString('utf8', 8).split('\0');
    const parameters = new Map<string, string>();
    for (let index = 0; index + 1 < words.length && words[index] !== ''; index += 2)
      parameters.set(words[index]!, words[index + 1]!);
    onParameters(parameters);
  });
}

function message(type: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

function startup(parameters: Readonly<Record<string, string>>): Buffer {
  const words = Object.entries(parameters).flatMap(([name, value]) => [name, value]);
  const bytes = Buffer.from(`${words.join('\0')}\0\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(bytes.length + 8, 0);
  head.writeUInt32BE(3 << 16, 4);
  return Buffer.concat([head, bytes]);
}

function fatal(code: string, text: string): Buffer {
  return message('E', `SFATAL\0VFATAL\0C${code}\0M${text}\0\0`);
}
