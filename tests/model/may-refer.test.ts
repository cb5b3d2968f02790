import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allowOwnStack } from '../../src/model/allow-own-stack.js';
import { openSecrets } from '../../src/elt/http/secrets.js';
import { mayRefer } from '../../src/model/may-refer.js';

it.each([
  [undefined, 'AWS_SECRET_ACCESS_KEY', false],
  [undefined, 'PLUMBLINE_DATABASE_URL', false],
  [undefined, 'TEMPORAL_API_KEY', false],
  ['', 'SHOP_TOKEN', false],
  ['SHOP_*, GITHUB_TOKEN', 'SHOP_TOKEN', true],
  ['SHOP_*, GITHUB_TOKEN', 'GITHUB_TOKEN', true],
  ['SHOP_*, GITHUB_TOKEN', 'MY_SHOP_TOKEN', false],
  ['SHOP.TOKEN', 'SHOP_TOKEN', false],
  ['*_TOKEN', 'PLUMBLINE_TOKEN', true],
  ['!SHOP_ADMIN_*, SHOP_*', 'SHOP_ADMIN_KEY', false],
  ['!SHOP_ADMIN_*, SHOP_*', 'SHOP_KEY', true],
  ['!SHOP_ADMIN_*', 'SHOP_KEY', false],
])('with PLUMBLINE_PROJECT_ENV=%s a project may have %s: %s', (listed, name, expected) => {
  expect(mayRefer(listed === undefined ? {} : { PLUMBLINE_PROJECT_ENV: listed }, name)).toBe(expected);
});

it('a variable that projects may not have is refused, whether it is there or not', async () => {
  const environment = { PLUMBLINE_PROJECT_ENV: 'SHOP_*', SHOP_TOKEN: 'one', AWS_SECRET_ACCESS_KEY: 'two' };
  const secrets = openSecrets(environment, '/');
  expect(await secrets.valueOf('env:SHOP_TOKEN')).toBe('one');
  for (const name of ['AWS_SECRET_ACCESS_KEY', 'NOT_THERE'])
    await expect(secrets.valueOf(`env:${name}`)).rejects.toMatchObject({
      code: 'ELT_SECRET_REFUSED',
      next: expect.stringContaining(`PLUMBLINE_PROJECT_ENV=SHOP_*,${name} `) as string,
    });
});

it('a file is a secret of projects only inside of the folders that are named, whatever links lead there', async () => {
  const root = await mkdtemp(join(tmpdir(), 'plumbline-secrets-'));
  try {
    await mkdir(join(root, 'keys', '..data'), { recursive: true });
    for (const [path, text] of [
      ['keys/..data/shop', 'one\r\n'],
      ['outside', 'two'],
      ['keys-other', 'three'],
    ] as const)
      await writeFile(join(root, path), text);
    await symlink('..data/shop', join(root, 'keys', 'shop'));
    await symlink('../outside', join(root, 'keys', 'out'));
    await symlink('keys', join(root, 'linked'));
    const folder = join(root, 'linked');
    const secrets = openSecrets({ PLUMBLINE_SECRETS_DIR: `${join(root, 'none')}:${folder}` }, folder);
    expect(await secrets.valueOf('file:shop')).toBe('one');
    expect(await secrets.valueOf(`file:${join(root, 'keys', 'shop')}`)).toBe('one');
    await expect(secrets.valueOf('file:none')).rejects.toMatchObject({ code: 'ELT_SECRET_MISSING' });
    const refused = { code: 'ELT_SECRET_REFUSED', next: expect.stringContaining('PLUMBLINE_SECRETS_DIR') as string };
    for (const path of ['out', '../outside', '../keys-other', '../not-there', '/etc/hostname', '.'])
      await expect(secrets.valueOf(`file:${path}`), path).rejects.toMatchObject(refused);
    await expect(openSecrets({}, folder).valueOf('file:shop')).rejects.toMatchObject(refused);
    const own: Record<string, string | undefined> = {};
    allowOwnStack({ databaseEmbedded: true, temporal: { embedded: true } }, own);
    expect(await openSecrets(own, root).valueOf('file:outside')).toBe('two');
  } finally {
    await rm(root, { recursive: true });
  }
});

it.each([
  [true, true, undefined, ['AWS_REGION']],
  [true, false, undefined, []],
  [false, true, undefined, []],
  [true, true, 'SHOP_*', ['SHOP_TOKEN']],
  [true, true, '*, ! AWS_*, !PLUMBLINE_*,!TEMPORAL_*', ['SHOP_TOKEN']],
  [true, true, '', []],
])(
  'of a stack with its own PostgreSQL (%s) and Temporal (%s), PLUMBLINE_PROJECT_ENV=%s, it may have %j',
  (databaseEmbedded, embedded, listed, expected) => {
    const environment = listed === undefined ? {} : { PLUMBLINE_PROJECT_ENV: listed };
    allowOwnStack({ databaseEmbedded, temporal: { embedded } }, environment);
    const names = [
      'AWS_REGION',
      'PLUMBLINE_DATABASE_URL',
      'TEMPORAL_API_KEY',
      ...(listed === undefined ? [] : ['SHOP_TOKEN']),
    ];
    expect(names.filter((name) => mayRefer(environment, name))).toEqual(expected);
  },
);
