import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/database.js';
import { ensureRoles } from '../../src/storage/roles.js';
import { createServingSite, eventually, type ServingSite } from './start-server.js';

let site: ServingSite;
beforeAll(async () => (site = await createServingSite()));
afterAll(() => site.end());

it('a server with no more than the server role predicts and logs', async () => {
  const suffix = randomBytes(4).toString('hex');
  const schemas = { raw: 'r', main: 'm', stage: 's' };
  const { roles } = await ensureRoles(site.test.database, { env: 'dev', project: `bikes-${suffix}`, schemas });
  const login = `serving_${suffix}`;
  await site.test.database.execute(`CREATE ROLE ${login} LOGIN IN ROLE ${roles.server!}`);
  await site.deploy('demand-v1.onnx');
  const url = new URL(site.test.url);
  url.username = login;
  const database = openDatabase({ url: url.href, max: 2 });
  try {
    const server = await site.serve({ database });
    const answered = await site.post(`${server.url}/models/demand/predict`, { temperature: 1, season: 'summer' });
    expect(answered).toMatchObject({ status: 200, body: { predictions: [115] } });
    await eventually(
      () => site.test.database.query('SELECT 1 FROM plumbline.predictions'),
      (rows) => rows.length === 1,
    );
    await server.close();
  } finally {
    await database.close();
    for (const role of [login, ...Object.values(roles)])
      await site.test.database.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});
