import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FeatureViewFile } from '../../src/model/project.js';
import { at, labelsOf, openFixture, valuesOf, viewOf, type Fixture } from './fixture.js';

interface Reference {
  readonly horizon_ms: number;
  readonly ttl_ms: number;
  readonly facts: [string, string, string, number][];
  readonly labels: [string, string][];
  readonly expected: Record<string, (number | null)[]>;
}

let fixture: Fixture;
beforeAll(async () => void (fixture = await openFixture()));
afterAll(() => fixture.drop());

describe('the point-in-time join', async () => {
  const path = new URL('../reference/features/point-in-time.json', import.meta.url);
  const reference = JSON.parse(await readFile(path, 'utf8')) as Reference;
  const facts = valuesOf(
    { entity: 'text', event_time: 'timestamp', known_at: 'timestamp', value: 'int' },
    reference.facts,
  );
  const labels = labelsOf(
    `SELECT *, length(entity) + extract(hour FROM label_time) AS target FROM ${valuesOf({ entity: 'text', label_time: 'timestamp' }, reference.labels)}`,
    { horizonMs: reference.horizon_ms },
  );

  it.each([
    ['event_time', {}, ''],
    ['event_time_ttl', { ttlMs: reference.ttl_ms }, ''],
    ['known_at', { knownAt: 'known_at' }, ', known_at'],
    ['known_at_ttl', { knownAt: 'known_at', ttlMs: reference.ttl_ms }, ', known_at'],
  ] as [string, Partial<FeatureViewFile>, string][])(
    'agrees with pandas and DuckDB: %s',
    async (name, settings, known) => {
      const view = viewOf('facts', `SELECT entity, event_time${known}, value FROM ${facts}`, settings);
      const set = await fixture.build({ labels, views: [view], testFrom: '2024-02-01' });
      const rows = await fixture.rows(set);
      expect(rows.map(({ entity, label_time: time }) => [entity, time])).toEqual(
        reference.labels.map(([entity, time]) => [entity, at(time)]),
      );
      expect(rows.map(({ value }) => value)).toEqual(reference.expected[name]);
    },
  );

  it('agrees with a plain loop over all pairs for random facts, horizons and lives', { timeout: 60_000 }, async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1e9);
    console.info(`point-in-time property: SEED=${seed}`);
    const hour = (max: number) => fc.integer({ min: 0, max });
    const fact = fc.record({
      entity: hour(3),
      event: hour(60),
      delay: hour(20),
      value: hour(9),
      text: fc.constantFrom('', 'b', 'é', null),
    });
    const label = fc.record({ entity: hour(4), time: hour(77) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fact, { minLength: 1, maxLength: 60 }),
        fc.uniqueArray(label, { minLength: 30, maxLength: 60, selector: ({ entity, time }) => `${entity} ${time}` }),
        fc.constantFrom(0, 1, 7),
        // Longer than the horizon: else nothing known at the cut-off is fresh enough, which is refused.
        fc.constantFrom(undefined, 9, 30),
        fc.boolean(),
        async (random, drawn, horizon, ttl, hasKnownAt) => {
          // Entity 0 is always known, so that no draw ends as "no match" or "not known at the cut-off".
          const facts = [...random, ...alwaysKnown(0)];
          const times = [...drawn, { entity: 0, time: 78 }, { entity: 0, time: 79 }];
          const expected = times
            .toSorted((a, b) => a.time - b.time || a.entity - b.entity)
            .map(({ entity, time }) => {
              const found = facts
                .filter((one) => one.entity === entity && one.event <= time)
                .filter((one) => one.event + (hasKnownAt ? one.delay : 0) <= time - horizon)
                .filter((one) => ttl === undefined || one.event >= time - ttl)
                .sort(
                  (a, b) =>
                    b.event - a.event ||
                    (hasKnownAt ? b.delay - a.delay : 0) ||
                    b.value - a.value ||
                    compareText(b.text, a.text),
                )[0];
              return [entity, found?.value ?? null, found?.text ?? null];
            });
          const view = viewOf(
            'facts',
            `SELECT entity, ${moment('event')} AS event_time, ${hasKnownAt ? `${moment('event + delay')} AS known_at,` : ''} value, text
             FROM ${valuesOf(
               { entity: 'int', event: 'int', delay: 'int', value: 'float8', text: 'text' },
               facts.map((one) => [one.entity, one.event, one.delay, one.value, one.text]),
             )}`,
            {
              ...(hasKnownAt ? { knownAt: 'known_at' } : {}),
              ...(ttl === undefined ? {} : { ttlMs: ttl * 3_600_000 }),
            },
          );
          const labelRows = valuesOf(
            { entity: 'bigint', time: 'int' },
            times.map(({ entity, time }) => [entity, time]),
          );
          const labels = labelsOf(
            `SELECT entity, ${moment('time')} AS label_time, entity + time AS target FROM ${labelRows}`,
            {
              horizonMs: horizon * 3_600_000,
            },
          );
          const middle = times.map(({ time }) => time).sort((a, b) => a - b)[20]!;
          fc.pre(times.filter(({ time }) => time < middle).length >= 20);
          const testFrom = new Date(Date.UTC(2024, 0, 1, middle)).toISOString();
          const rows = await fixture.rows(await fixture.build({ labels, views: [view], testFrom }));
          expect(rows.map(({ entity, value, text }) => [entity, value, text])).toEqual(expected);
        },
      ),
      { seed, numRuns: 25 },
    );
  });
});

const moment = (hours: string): string => `timestamp '2024-01-01' + (${hours}) * interval '1 hour'`;

/** Facts known at once, every five hours from the first possible cut-off on. */
function alwaysKnown(entity: number): { entity: number; event: number; delay: number; value: number; text: null }[] {
  return Array.from({ length: 18 }, (_value, index) => ({
    entity,
    event: index * 5 - 10,
    delay: 0,
    value: 0,
    text: null,
  }));
}

/** NULL is the least. */
function compareText(a: string | null, b: string | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
