import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { deliverAlerts } from '../../src/alerts/deliver-alerts.js';
import { mailOf } from '../../src/alerts/mail-of.js';
import { register } from '../../src/cli/commands/alerts.js';
import { startApiServer } from '../support/api-server.js';
import { printed } from '../support/command.js';
import { createWorkbench, type Workbench } from '../activities/workbench.js';
import { startMailServer, type MailServer } from '../support/mail-server.js';

let bench: Workbench;
let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
  bench = await createWorkbench({
    'plumbline.yaml':
      'name: shop\nsources: { sales: { path: a.csv } }\n' +
      'alerts: { email: { smtp: env:ALERT_SMTP, from: plumbline@example.com, to: [ann@example.com, bob@example.com] } }\n',
    'a.csv': 'id\n1\n',
  });
});
afterEach(async () => {
  await bench.test.database.execute('DELETE FROM plumbline.alerts');
  server.mails.length = 0;
  server.logins.length = 0;
  server.refusal = undefined;
});
afterAll(async () => {
  await bench.destroy();
  await server.close();
});

const deliver = (address: string, more: Readonly<Record<string, string>> = {}) =>
  deliverAlerts({
    database: bench.test.database,
    environment: { PLUMBLINE_PROJECT_ENV: 'ALERT_*', ALERT_SMTP: address, ...more },
    timeoutMs: 2_000,
  });
const alerts = () => bench.test.database.query('SELECT receiver, attempts, delivered_at IS NOT NULL AS delivered, error FROM plumbline.alerts ORDER BY receiver'); // prettier-ignore
const isDue = () => bench.test.database.execute('UPDATE plumbline.alerts SET next_try_at = now()');
const fail = async (runId: string, message = 'no file'): Promise<void> => {
  const { run } = await bench.open(runId, ['elt']);
  const error = { step: 'load:sales', code: 'ELT_FILE_MISSING', message, next: 'Correct it.' };
  await bench.call('closeRun', { run, status: 'failed', error });
};

it('each address gets one mail, however often the server refuses it first', async () => {
  await fail('run-1');
  server.refusal = { code: 451, message: 'later' };
  const address = `smtp://ann:p%40ss@127.0.0.1:${server.port}?tls=none`;
  expect(await deliver(address)).toBe(0);
  const error = 'the mail server of env:ALERT_SMTP did not take the mail (EMESSAGE 451)';
  expect(await alerts()).toEqual([
    { receiver: 'ann@example.com', attempts: 1, delivered: false, error },
    { receiver: 'bob@example.com', attempts: 1, delivered: false, error },
  ]);
  server.refusal = undefined;
  await isDue();
  expect(await deliver(address)).toBe(2);
  await isDue();
  expect(await deliver(address)).toBe(0);
  expect(server.mails.map(({ from, to }) => ({ from, to }))).toEqual([
    { from: 'plumbline@example.com', to: ['ann@example.com'] },
    { from: 'plumbline@example.com', to: ['bob@example.com'] },
  ]);
  expect(server.logins).toEqual(Array.from({ length: 4 }, () => 'ann p@ss'));
  const { source } = server.mails[0]!;
  const [head = '', body = ''] = source.split('\r\n\r\n', 2);
  expect(head).toContain('Subject: [plumbline] shop (dev): run run-1 failed');
  expect(head).toContain('Auto-Submitted: auto-generated');
  expect(head).toContain('Content-Type: text/plain');
  expect(body).toBe('no file');
  expect(source).toContain('Correct it.');
  expect(source).toMatch(/^error: +ELT_FILE_MISSING\r$/m);
});

it('a server that is away, unknown, without trusted TLS or with a wrong password leaves the mail for later, and no secret in the row', async () => {
  await fail('run-2');
  const tries: readonly (readonly [string, RegExp, Readonly<Record<string, string>>?])[] = [
    ['smtp://ann:p%40ss@127.0.0.1:1?tls=none', /ESOCKET/],
    // STARTTLS is asked for, and the password waits for it.
    [`smtp://ann:p%40ss@127.0.0.1:${server.port}`, /ETLS|ESOCKET/],
    [`smtps://ann:p%40ss@127.0.0.1:${server.port}`, /ESOCKET|ETLS/],
    [`smtp://ann:wrong@127.0.0.1:${server.port}?tls=none`, /EAUTH/],
    ['smtp://ann:p%40ss@127.0.0.1?tls=maybe', /is no address of a mail server/],
    ['http://127.0.0.1', /is no address of a mail server/],
    ['nonsense', /is no address, expected smtp/],
    ['', /there is no env:ALERT_SMTP/],
    ['smtp://127.0.0.1', /projects may not have env:ALERT_SMTP/, { PLUMBLINE_PROJECT_ENV: 'OTHER_*' }],
  ];
  for (const [address, says, more] of tries) {
    expect(await deliver(address, more)).toBe(0);
    for (const { error, delivered } of await alerts()) {
      expect(delivered).toBe(false);
      expect(error).toMatch(says);
      expect(error).not.toMatch(/p@ss|p%40ss|wrong|127\.0\.0\.1/);
    }
    await isDue();
  }
  expect(server.logins.filter((login) => login.includes('p@ss'))).toEqual([]);
  expect(server.mails).toEqual([]);
});

it('nothing of a project or an error gets into the headers', async () => {
  const payload = { run: 'r\r\nBcc: eve@example.com\u2028x', error: { message: 'first\r\n.\r\nBcc: eve@example.com' } };
  const event = { kind: 'failed', subject: 'r', webhook: null, secret: null, root: '/', at: 'now', payload } as const;
  const email = { smtp: 'env:ALERT_SMTP', from: 'a@b.c' };
  const { subject } = mailOf({ ...event, eventId: 'e', env: 'dev', project: 'shop', email, receiver: 'ann@example.com' }); // prettier-ignore
  expect(subject).toBe('[plumbline] shop (dev): run r Bcc: eve@example.com x failed');
  await fail('run-3', payload.error.message);
  await bench.test.database.execute(`UPDATE plumbline.alerts SET payload = payload || $1::jsonb`, [
    JSON.stringify({ run: payload.run }),
  ]);
  expect(await deliver(`smtp://127.0.0.1:${server.port}?tls=none`)).toBe(2);
  for (const { source, to } of server.mails) {
    expect(to).toHaveLength(1);
    expect(source.split('\r\n\r\n', 1)[0]).not.toMatch(/^bcc:/im);
    expect(source).toContain('eve@example.com');
  }
});

it.each([
  ['to: "ann@example.com\\nBcc: eve@example.com"', 'expected a mail address'],
  ['to: "ann@example.com, eve@example.com"', 'expected a mail address'],
  ['to: []', 'expected at least 1'],
  ['to: a@b.c, from: "Ann <ann@example.com>"', 'expected a mail address such as data@example.com'],
])('refuses %s', async (keys, says) => {
  const { loadProject } = await import('../../src/project/load-project.js');
  const from = keys.includes('from') ? '' : ', from: a@b.c';
  await bench.write({
    'plumbline.yaml': `name: shop\nsources: { sales: { path: a.csv } }\nalerts: { email: { smtp: env:X, ${keys}${from} } }\n`,
  });
  await expect(loadProject({ root: bench.root, env: 'dev' })).rejects.toThrow(says);
});

it('a test goes to everybody as a failure would, signed and marked, and says what each answered', async () => {
  const bodies: string[] = [];
  const hook = await startApiServer(async (request, response) => {
    bodies.push(await text(request));
    response.writeHead(bodies.length === 1 ? 202 : 500).end();
  });
  await bench.write({
    'plumbline.yaml': `name: shop
sources: { sales: { path: a.csv } }
alerts: { webhook: env:ALERT_URL, secret: env:ALERT_SECRET, email: { smtp: env:ALERT_SMTP, from: a@b.c, to: [ann@example.com] }, on: [missed] }
`,
  });
  const former = process.cwd();
  process.chdir(bench.root);
  const environment = { PLUMBLINE_PROJECT_ENV: 'ALERT_*', ALERT_URL: hook.url, ALERT_SECRET: 'k3y', ALERT_SMTP: `smtp://127.0.0.1:${server.port}?tls=none` }; // prettier-ignore
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const test = () => printed(register, 'alerts', 'test');
  try {
    const said = await test();
    expect(said).toMatch(/^ok +webhook +answered 202, signed\nok +ann@example\.com +the mail server took it: 250 /);
    expect(process.exitCode).toBeUndefined();
    expect(JSON.parse(bodies[0]!)).toMatchObject({ kind: 'test', project: 'shop', test: true });
    expect(hook.received[0]!.headers['plumbline-signature']).toMatch(/^t=\d+,v1=\w{64}$/);
    expect(server.mails[0]!.source).toContain('Subject: [plumbline] shop (dev): a test, nothing failed');
    expect(await test()).toMatch(/^failed +webhook +the webhook of env:ALERT_URL answered 500\nok /);
    expect(process.exitCode).toBe(1);
  } finally {
    process.exitCode = undefined;
    vi.unstubAllEnvs();
    process.chdir(former);
    await hook.close();
  }
});
