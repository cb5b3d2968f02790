import { expect, it } from 'vitest';
import { gridOf, onlyOf, scheduleOptions, stagesOf } from '../../src/client/schedule-options.js';
import type { PipelineError } from '../../src/errors.js';
import type { Project } from '../../src/model/project.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const load = async (yaml: string): Promise<Project> =>
  loadProject({ root: await writeProject({ 'plumbline.yaml': `name: shop\n${yaml}\n` }) });

it('a cron line alone is a schedule; its name says what it runs', async () => {
  const { schedules, timezone, alerts, defaults } = await load(
    `schedule: { load: '5 * * * *', nightly: { every: 1d, overlap: buffer_all, jitter: 5m }, timezone: Europe/Berlin }
alerts: { webhook: env:ALERT_URL }`,
  );
  expect(timezone).toBe('Europe/Berlin');
  expect(schedules[0]).toEqual({
    name: 'load',
    cron: '5 * * * *',
    timezone: 'Europe/Berlin',
    stages: ['load'],
    jitterMs: 0,
    overlap: 'skip',
    catchupMs: 3_600_000,
    pauseOnFailure: false,
  });
  expect(schedules[1]).toMatchObject({ everyMs: 86_400_000, stages: ['load', 'deploy'], jitterMs: 300_000 });
  expect(stagesOf(schedules[1]!.stages)).toEqual(['elt', 'features', 'training', 'deployment']);
  expect(onlyOf(['transform'])).toEqual({ only: 'transform' });
  expect(gridOf(schedules[0]!)).toBeUndefined();
  expect(defaults).toContain('schedule.load.overlap = skip');
  expect(alerts).toEqual({ webhook: 'env:ALERT_URL', on: ['failed', 'missed'] });
  const template = { env: 'dev', project: 'shop', bundle: { digest: 'd', artifact: 'a' }, root: '/', searchAttributes: [], force: false }; // prettier-ignore
  expect(scheduleOptions(schedules[1]!, template)).toMatchObject({
    scheduleId: 'dev/shop/schedule/nightly',
    spec: { timezone: 'Europe/Berlin', intervals: [{ every: 86_400_000 }], jitter: 300_000 },
    policies: { overlap: 'BUFFER_ALL', pauseOnFailure: false },
  });
});

it.each([
  ["schedule: { load: '5 * * *' }", 'schedule.load', 'a cron line of five fields'],
  ["schedule: { load: '5 25 * * *' }", 'schedule.load', 'a cron line of five fields'],
  ["schedule: { load: { cron: '5 * * * *', every: 1h } }", 'schedule.load', 'cron or every'],
  ["schedule: { load: { cron: '5 * * * *', intervall: daily } }", 'intervall', 'did you mean "interval"'],
  ["schedule: { load: { cron: '5 * * * *', start: 2024-01-01 } }", 'schedule.load', 'no interval'],
  ["schedule: { train: { cron: '5 * * * *', interval: daily } }", 'schedule.train', 'loads nothing'],
  ["schedule: { all: { cron: '5 * * * *', stages: [transform, train] } }", 'schedule.all.stages', 'transform'],
  ["schedule: { load: '5 * * * *', timezone: Berlin }", 'schedule.timezone', 'Europe/Berlin'],
  ["schedule: { Load: '5 * * * *' }", 'Load', 'small letters'],
  ['alerts: { webhook: https://example.org/hook }', 'alerts.webhook', 'written out'],
])('%s is refused', async (yaml, place, why) => {
  const error = await load(yaml).catch((caught: unknown) => caught as PipelineError);
  const text = JSON.stringify([(error as PipelineError).message, (error as PipelineError).details]);
  expect(text).toContain(place);
  expect(text.replaceAll('\\', '')).toContain(why);
});
