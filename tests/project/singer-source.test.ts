import { describe, expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const project = async (source: string) => loadProject({ root: await writeProject({ 'plumbline.yaml': `name: shop\nsources:\n${source}` }) }); // prettier-ignore
const problemOf = async (keys: string): Promise<string> => {
  const error: unknown = await project(`  crm: { type: singer, ${keys} }\n`).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  return (error.details['problems'] as { code: string; message: string }[])
    .map(({ code, message }) => `${code} ${message}`)
    .join('\n');
};

describe('a singer source', () => {
  it('has every default filled in', async () => {
    const { resources, defaults } = await project('  crm: { type: singer, command: [tap-crm] }\n');
    expect(resources).toEqual([
      {
        id: 'crm',
        source: 'crm',
        table: 'crm',
        type: 'singer',
        path: 'crm',
        format: 'singer',
        write: 'merge',
        primaryKey: [],
        columns: {},
        maxRejectedShare: 0.01,
        singer: {
          command: ['tap-crm'],
          config: {},
          env: {},
          catalog: { from: 'tap' },
          metadata: {},
          writeByKey: true,
        },
        allowEmpty: false,
        at: { file: 'plumbline.yaml', line: 3 },
      },
    ]);
    expect(defaults).toEqual(
      expect.arrayContaining([
        'sources.crm.stream = crm',
        "sources.crm.primary_key = the tap's key_properties",
        'sources.crm.write = merge (where the stream has a key, else append)',
        'sources.crm.catalog = what the tap says with --discover',
      ]),
    );
  });

  it('takes what each resource says, and the rest from its source', async () => {
    const { resources } = await project(
      [
        '  crm:',
        '    type: singer',
        '    command: [.venv/bin/tap-crm, --quiet]',
        '    catalog: crm.json',
        '    config: { token: env:CRM_TOKEN, accounts: [1, { id: 2 }] }',
        '    env: { HTTPS_PROXY: env:PROXY }',
        '    resources:',
        '      orders: { stream: public-orders, primary_key: id, write: replace, metadata: { replication-method: FULL_TABLE } }',
        '      users: {}',
      ].join('\n'),
    );
    expect(resources).toMatchObject([
      {
        id: 'crm.orders',
        table: 'crm_orders',
        path: 'public-orders',
        write: 'replace',
        primaryKey: ['id'],
        singer: {
          command: ['.venv/bin/tap-crm', '--quiet'],
          config: { token: 'env:CRM_TOKEN', accounts: [1, { id: 2 }] },
          env: { HTTPS_PROXY: 'env:PROXY' },
          catalog: { from: 'file', path: 'crm.json' },
          metadata: { 'replication-method': 'FULL_TABLE' },
          writeByKey: false,
        },
      },
      { id: 'crm.users', path: 'users', write: 'merge', singer: { metadata: {}, writeByKey: true } },
    ]);
  });

  it.each([
    ['command: tap-crm', /command.*expected a tap and its arguments such as \[tap-gitlab\]/],
    ['command: []', /expected a tap and its arguments/],
    ['stream: a', /command/],
    ['command: [t], config: 7', /expected names and their values/],
    ['command: [t], env: { "A-B": x }', /a name of letters, digits and _/],
    ['command: [t], streams: a', /streams/],
    ['command: [t], catalog: c.json, discover: false', /has a "catalog" and "discover"/],
    ['command: [t], discover: false, metadata: { a: 1 }', /has "metadata" for a catalog/],
  ])('refuses %s', async (keys, message) => {
    expect(await problemOf(keys)).toMatch(message);
  });
});
