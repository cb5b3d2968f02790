import { afterEach, describe, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
afterEach(() => bench.destroy());

/** Forty days of sales whose target is the day's number times `factor`, plus noise that repeats. */
function sales(from: number, to: number, factor = 2): string {
  const rows = ['day,units'];
  for (let day = from; day < to; day++) {
    const date = new Date(Date.UTC(2025, 0, 1 + day)).toISOString().slice(0, 10);
    rows.push(`${date},${day * factor + (day % 7)}`);
  }
  return `${rows.join('\n')}\n`;
}

const SQL = {
  'sql/daily.sql': "SELECT day, units FROM {{ source('sales') }}\n",
  'labels.sql':
    "-- entity: day\n-- label_time: day\n-- target: units\n-- horizon: 0d\nSELECT day, units FROM {{ ref('daily') }}\n",
  'features/calendar.sql':
    "-- entity: day\n-- event_time: day\n-- known_at: known_at\nSELECT day, day - 365 AS known_at, extract(dow FROM day)::int AS weekday FROM {{ ref('daily') }}\n",
};
const YAML = (write: string, path: string): string =>
  `name: shop\nsources:\n  sales: { path: '${path}', write: ${write} }\ntrain: { labels: labels.sql, features: [calendar], test_from: 2025-02-20 }\n`;

describe('a table that is rewritten', () => {
  it('is not loaded, built or joined again while nothing changed', async () => {
    bench = await createWorkbench({ ...SQL, 'plumbline.yaml': YAML('replace', 'a.csv'), 'a.csv': sales(0, 80) });
    const first = await bench.open('run-1');
    const once = await bench.elt(first.run, first.plan);
    const set = await bench.features(first.run);
    await bench.close(first.run);
    const second = await bench.open('run-2');
    expect(await bench.elt(second.run, second.plan)).toEqual(once);
    expect(await bench.features(second.run)).toEqual(set);
    await bench.close(second.run);
    const steps = await bench.test.database.query(
      `SELECT step, status FROM plumbline.run_steps WHERE run_id = 'run-2' AND status NOT IN ('skipped') ORDER BY step`,
    );
    expect(steps).toEqual([
      { step: 'extract:sales', status: 'reused' },
      { step: 'features:main', status: 'reused' },
      { step: 'load:sales', status: 'reused' },
      { step: 'transform:daily', status: 'reused' },
    ]);
  });

  it('that was dropped by hand is loaded and built again', async () => {
    bench = await createWorkbench({ ...SQL, 'plumbline.yaml': YAML('replace', 'a.csv'), 'a.csv': sales(0, 80) });
    const first = await bench.open('run-1');
    await bench.elt(first.run, first.plan);
    await bench.close(first.run);
    await bench.test.database.execute('DROP TABLE shop_dev.daily; DROP TABLE shop_dev_raw.sales');
    const second = await bench.open('run-2');
    await bench.elt(second.run, second.plan);
    expect(await bench.test.database.query('SELECT count(*)::int AS n FROM shop_dev.daily')).toEqual([{ n: 80 }]);
  });
});

describe('a table that grows', () => {
  it('is another version after each publication, though the files are the old ones again', async () => {
    bench = await createWorkbench({ ...SQL, 'plumbline.yaml': YAML('append', 'in/*.csv'), 'in/a.csv': sales(0, 80) });
    const first = await bench.open('run-1');
    await bench.elt(first.run, first.plan);
    expect((await bench.features(first.run)).trainingSet.rows).toBe(80);
    await bench.close(first.run);

    await bench.write({ 'in/b.csv': sales(80, 120) });
    const second = await bench.open('run-2');
    await bench.elt(second.run, second.plan);
    expect((await bench.features(second.run)).trainingSet.rows).toBe(120);
    await bench.close(second.run);

    // b.csv is archived; its rows are in the table all the same.
    await bench.remove('in/b.csv');
    const third = await bench.open('run-3');
    await bench.elt(third.run, third.plan);
    expect(await bench.test.database.query('SELECT count(*)::int AS n FROM shop_dev_raw.sales')).toEqual([{ n: 120 }]);
    expect((await bench.features(third.run)).trainingSet.rows).toBe(120);
  });
});

describe('the record of a publication', () => {
  it('of a run that lost its project is not written, and neither is the table', async () => {
    bench = await createWorkbench({ ...SQL, 'plumbline.yaml': YAML('replace', 'a.csv'), 'a.csv': sales(0, 80) });
    const first = await bench.open('run-1');
    const once = await bench.elt(first.run, first.plan);
    await bench.close(first.run);

    await bench.write({ 'a.csv': sales(0, 90) });
    const second = await bench.open('run-2');
    const extracted = await bench.call('extractResource', { run: second.run, resource: 'sales' });
    const object = await bench.call('loadObject', { run: second.run, resource: 'sales', object: extracted.objects[0] });
    // The run loses the project to another one: what it publishes must not become visible.
    await bench.test.database.execute(
      `UPDATE plumbline.leases SET holder = 'other', expires_at = now() + interval '1 hour'`,
    );
    await expect(
      bench.call('publishResource', { run: second.run, resource: 'sales', loads: [object] }),
    ).rejects.toThrow(/another run took it over/);
    expect(await bench.test.database.query('SELECT count(*)::int AS n FROM shop_dev_raw.sales')).toEqual([{ n: 80 }]);

    await bench.test.database.execute(`UPDATE plumbline.leases SET holder = 'run-2'`);
    const loaded = await bench.call('publishResource', { run: second.run, resource: 'sales', loads: [object] });
    expect(loaded.tableRows).toBe(90);
    expect(loaded.version).not.toBe(once.loads[0]!.version);
  });
});
