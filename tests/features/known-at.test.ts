import { afterAll, beforeAll, expect, it } from 'vitest';
import { FORTY_DAYS, labelsOf, openFixture, viewOf, type Fixture } from './fixture.js';

let fixture: Fixture;
beforeAll(async () => void (fixture = await openFixture()));
afterAll(() => fixture.drop());

const DAY = 86_400_000;
const labels = labelsOf(FORTY_DAYS, { horizonMs: DAY });
const DAYS = `SELECT 'a' AS entity, timestamp '2024-01-01' + day * interval '1 day' AS event_time`;
const rewritten = {
  rewrittenTables: new Set(['rides']),
  sources: new Map([['rides', 'generate_series(1, 80)']]),
};

it('refuses known = event time over a rewritten table, naming view and table', async () => {
  const view = viewOf('demand', `${DAYS}, day FROM {{ source('rides') }} AS day`);
  await expect(fixture.build({ labels, views: [view], ...rewritten })).rejects.toMatchObject({
    code: 'FEATURES_KNOWN_AT',
    message: expect.stringContaining('demand failed: it has no known_at column and reads rides') as string,
    at: { file: 'features/demand.sql' },
  });
});

it('accepts it with a reason, and prints the reason', async () => {
  const view = viewOf('demand', `${DAYS}, day FROM {{ source('rides') }} AS day`, {
    knownAtAssumed: 'counters are never corrected',
  });
  const set = await fixture.build({ labels, views: [view], ...rewritten });
  expect(set.assumptions).toEqual(['demand: known = event time (assumed: counters are never corrected)']);
});

it('accepts a rewritten table with a known_at column, and prints what the view declares', async () => {
  const view = viewOf('demand', `${DAYS}, timestamp '2024-01-01' AS known, day FROM {{ source('rides') }} AS day`, {
    knownAt: 'known',
    assumption: 'perfect forecast',
  });
  const set = await fixture.build({ labels, views: [view], ...rewritten });
  expect(set.assumptions).toEqual(['demand: perfect forecast']);
});

it('stops when every row becomes known after the cut-off, naming all columns of the view', async () => {
  const view = viewOf(
    'users',
    `SELECT timestamp '2024-01-31' + day * interval '1 day' AS hour, day AS casual, day AS registered FROM generate_series(1, 40) AS day`,
    {
      entity: ['hour'],
      eventTime: 'hour',
    },
  );
  const hours = labelsOf(`SELECT label_time AS hour, target FROM (${FORTY_DAYS}) AS d`, {
    entity: ['hour'],
    labelTime: 'hour',
    horizonMs: DAY,
  });
  await expect(fixture.build({ labels: hours, views: [view] })).rejects.toMatchObject({
    code: 'FEATURES_LEAK',
    message:
      'Feature columns casual, registered would leak the future: predictions are made at 24h before hour, ' +
      'but users has a row for 40 label rows, and for 40 of them it becomes known (hour, its event time) after the cut-off.',
    details: { rule: 'known_at', columns: ['casual', 'registered'] },
  });
});

it('passes a view whose newest row is always too new, when older rows are known', async () => {
  const view = viewOf('demand', `${DAYS}, day FROM generate_series(1, 80) AS day`);
  const rows = await fixture.rows(await fixture.build({ labels, views: [view] }));
  expect(rows[0]).toMatchObject({ day: 30 });
});

it('says for how many label rows a view loaded late has nothing', async () => {
  const view = viewOf(
    'late',
    `${DAYS}, greatest(timestamp '2024-02-15', timestamp '2024-01-01' + day * interval '1 day') AS loaded_at, day FROM generate_series(1, 80) AS day`,
    {
      knownAt: 'loaded_at',
    },
  );
  const set = await fixture.build({ labels, views: [view] });
  expect(set.assumptions).toEqual([
    'late: missing in 15 of 40 label rows, where it becomes known only after the cut-off',
  ]);
  expect(set.features).toMatchObject([{ name: 'day', nullShare: 15 / 40 }]);
});
