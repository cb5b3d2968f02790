import { afterEach, expect, it } from 'vitest';
import { requireInterval } from '../../src/activities/selected-steps.js';
import { checkSchedules } from '../../src/cli/check-schedules.js';
import { register as validate } from '../../src/cli/commands/validate.js';
import { scheduleWords } from '../../src/client/schedule-words.js';
import { gridOf, scheduleOptions, stagesOf } from '../../src/client/schedule-options.js';
import type { PipelineError } from '../../src/errors.js';
import type { Project } from '../../src/model/project.js';
import { loadProject } from '../../src/project/load-project.js';
import { printed } from '../support/command.js';
import { writeProject } from './write-project.js';

const cwd = process.cwd();
afterEach(() => process.chdir(cwd));

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
  [
    "schedule: { crm: { cron: '5 * * * *', select: crm } }",
    'schedule.crm selects',
    'load, deploy, expected load or transform alone',
  ],
  ['alerts: { webhook: https://example.org/hook }', 'alerts.webhook', 'written out'],
])('%s is refused', async (yaml, place, why) => {
  const error = await load(yaml).catch((caught: unknown) => caught as PipelineError);
  const text = JSON.stringify([(error as PipelineError).message, (error as PipelineError).details]);
  expect(text).toContain(place);
  expect(text.replaceAll('\\', '')).toContain(why);
});

it('a schedule is compared and shown in the words of the file, whatever the order of its keys', async () => {
  const { schedules } = await load(`schedule: { load: { every: 15m, jitter: 90s } }
retention: { raw: 30d, rejects: 2w, runs: 90d }`);
  const [config, collecting] = schedules as [Project['schedules'][number], Project['schedules'][number]];
  expect(scheduleWords(config)).toMatchObject({
    every: '15m',
    jitter: '90s',
    catchup: '1h',
    pause_on_failure: 'false',
  });
  // As jsonb gives it back: shorter keys first.
  const { retention, ...rest } = collecting;
  const back = { retention: Object.fromEntries(Object.entries(retention!).reverse()), ...rest } as typeof collecting;
  expect(scheduleWords(back)).toEqual(scheduleWords(collecting));
  expect(scheduleWords(back)).toMatchObject({ 'retention.rejects': '14d', 'retention.grace': '1d' });
});

it('a part of the stage is selected in the words of run, and has to be there', async () => {
  const files = {
    'sql/daily.sql': `-- materialized: incremental
-- interval_column: day
SELECT day FROM {{ source('events') }} WHERE day >= '{{ interval.start }}' AND day < '{{ interval.end }}'
`,
    'sql/total.sql': "SELECT count(*) AS n FROM {{ source('events') }}\n",
  };
  const of = async (schedule: string): Promise<Project> =>
    loadProject({ root: await writeProject({ ...files, 'plumbline.yaml': `name: shop\nsources: { events: { path: events.csv } }\nschedule: { part: { cron: '5 * * * *', ${schedule} } }\n` }) }); // prettier-ignore
  const project = await of('stages: [transform], select: [total, daily+], exclude: +daily');
  const [config] = project.schedules;
  expect(scheduleWords(config!)).toMatchObject({ stages: 'transform', select: 'total, daily+', exclude: '+daily' });
  const template = { env: 'dev', project: 'shop', bundle: { digest: 'd', artifact: 'a' }, root: '/', searchAttributes: [], force: false }; // prettier-ignore
  const { args } = scheduleOptions(config!, template).action as unknown as { args: { template: object }[] };
  expect(args[0]!.template).toMatchObject({ only: 'transform', select: ['total', 'daily+'], exclude: ['+daily'] });
  // What asks for an interval is not in it.
  checkSchedules(project);
  const refused = (schedule: string) => of(schedule).then(checkSchedules);
  await expect(refused('stages: [transform], select: daily')).rejects.toMatchObject({ code: 'SCHEDULE_WITHOUT_INTERVAL' }); // prettier-ignore
  await expect(refused('stages: [load], select: event')).rejects.toMatchObject({ code: 'ELT_SELECT_UNKNOWN', message: expect.stringContaining('Checking schedule part failed: Selecting event') as string }); // prettier-ignore
  await expect(refused('stages: [load], select: events, exclude: [events]')).rejects.toMatchObject({ code: 'SELECT_EMPTY' }); // prettier-ignore
});

it('what asks for an interval is not scheduled without one, and a run without one is told which there are', async () => {
  const root = await writeProject({
    'plumbline.yaml': `name: shop
sources: { events: { path: events.csv } }
schedule: { hours: { cron: '5 * * * *', interval: hourly, stages: [load] }, days: { cron: '5 1 * * *', interval: daily, stages: [load] }, names: { cron: '5 2 * * *', stages: [load] } }
`,
    'sql/daily.sql': `-- materialized: incremental
-- interval_column: day
SELECT day FROM {{ source('events') }} WHERE day >= '{{ interval.start }}' AND day < '{{ interval.end }}'
`,
  });
  const project = await loadProject({ root });
  expect(() => checkSchedules(project)).toThrow(expect.objectContaining({ code: 'SCHEDULE_WITHOUT_INTERVAL' }));
  process.chdir(root);
  await expect(printed(validate, 'validate')).rejects.toMatchObject({ code: 'SCHEDULE_WITHOUT_INTERVAL', at: { file: 'sql/daily.sql' } }); // prettier-ignore
  expect(() => requireInterval(project, {})).toThrow(
    expect.objectContaining({
      code: 'RUN_INTERVAL_NEEDED',
      next: expect.stringMatching(/^Say which: `--interval \S+T\S+` or `--interval \d{4}-\d\d-\d\d\/\S+`, the last hourly or daily one/) as string,
    }),
  ); // prettier-ignore
});
