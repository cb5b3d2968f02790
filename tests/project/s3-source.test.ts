import { expect, test } from 'vitest';
import { TerminalError } from '../../src/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const project = async (source: string) => loadProject({ root: await writeProject({ 'plumbline.yaml': `name: shop\nsources:\n  a: ${source}\n` }) }); // prettier-ignore

test('a bucket, how it is reached and what is assumed', async () => {
  const { resources, defaults } = await project(
    '{ path: "s3://lake/rides/*.csv.gz", s3: { endpoint: "http://minio:9000", path_style: false, access_key_id: env:KEY, secret_access_key: file:secret } }',
  );
  expect(resources).toMatchObject([
    {
      type: 'files',
      path: 's3://lake/rides/*.csv.gz',
      format: 'csv',
      write: 'append',
      s3: {
        endpoint: 'http://minio:9000',
        pathStyle: false,
        credentials: { accessKeyId: 'env:KEY', secretAccessKey: 'file:secret' },
      },
    },
  ]);
  expect(defaults).toContain('sources.a.write = append (the path is a glob)');
});

test.each([
  ['{ path: "s3://lake" }', 'sources.a.path: "s3://lake" names no bucket and key, expected s3://bucket/key.'],
  ['{ path: a.csv, s3: { region: eu } }', 'sources.a.s3: the path is none of s3://.'],
  [
    '{ path: "s3://lake/a.csv", s3: { access_key_id: env:K } }',
    'one of access_key_id and secret_access_key is missing',
  ],
  ['{ path: "s3://lake/a.csv", s3: { access_key_id: AKIA, secret_access_key: env:S } }', 'expected env:NAME or file:path'], // prettier-ignore
  ['{ path: "s3://lake/a.csv", s3: { profile: me, anonymous: true } }', 'expected one of access_key_id, profile and anonymous'], // prettier-ignore
  ['{ path: "s3://lake/a.csv", s3: { endpoint: "minio:9000" } }', 'expected a URL such as http://minio:9000'],
])('%s is refused', async (source, message) => {
  const error: unknown = await project(source).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  expect(JSON.stringify(error.details['problems'] ?? error.message)).toContain(JSON.stringify(message).slice(1, -1));
});
