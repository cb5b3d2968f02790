import { Connection } from '@temporalio/client';
import { afterAll, expect, it } from 'vitest';
import { startTestTemporal, type TestTemporal } from '../setup/temporal.js';

const servers: TestTemporal[] = [];
afterAll(() => Promise.all(servers.map((server) => server.stop())));

it('the development server knows the search attributes of plumbline', async () => {
  expect(Object.keys(await attributesOf(await startTestTemporal())).sort()).toEqual([
    'PlumblineEnv',
    'PlumblineModelVersion',
    'PlumblineProject',
    'PlumblineRows',
    'PlumblineStage',
  ]);
});

it('a bare namespace of another name has none of them', async () => {
  expect(await attributesOf(await startTestTemporal({ namespace: 'bare', searchAttributes: false }))).toEqual({});
});

async function attributesOf(server: TestTemporal): Promise<Record<string, unknown>> {
  servers.push(server);
  const connection = await Connection.connect({ address: server.address });
  try {
    const answer = await connection.operatorService.listSearchAttributes({ namespace: server.namespace });
    return answer.customAttributes;
  } finally {
    await connection.close();
  }
}
