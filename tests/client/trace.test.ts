import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trace } from '../../src/client/trace.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { newVersion } from '../deployment/new-version.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
  await registerVersion({ database: test.database, version: newVersion({ file: 'demand-v1.onnx' }) });
});
afterAll(() => test.drop());

const traced = (subject: string) => trace({ database: test.database, env: 'dev', project: 'bikes' }, subject);

describe('trace', () => {
  it.each(['demand', 'demand@1', 'demand@v1'])('finds the model %s', async (subject) => {
    expect(await traced(subject)).toMatchObject({ kind: 'model', name: 'demand v1' });
  });

  it.each([
    'demand@abc',
    'demand@',
    'demand@1.5',
    'demand@-1',
    'demand@2',
    'demand@99999999999',
    'nobody',
    '01a20728-3c09-7cf9-b181-7fac36a50d54',
    '01a20728----------------------------',
    'a'.repeat(64),
  ])('says of %s that nothing has that name, and what to give', async (subject) => {
    await expect(traced(subject)).rejects.toMatchObject({
      code: 'TRACE_NOT_FOUND',
      message: expect.stringContaining(JSON.stringify(subject)) as string,
      next: expect.stringContaining('a model (`bike-demand@1`)') as string,
    });
  });
});
