import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoadSummary } from '../../src/contracts/elt.js';
import { createWorkbench, type Workbench } from './workbench.js';

const STREAMS = fileURLToPath(new URL('../fixtures/singer', import.meta.url));

/** What the standard target tests of the Meltano SDK expect of a target, file by file; a stream's table is `<file>_<resource>`. */
interface Expected {
  readonly [resource: string]: {
    readonly stream: string;
    /** `name type` */
    readonly columns: readonly string[];
    /** In the order of the first column. */
    readonly rows: readonly (readonly unknown[])[];
    readonly state?: string;
    readonly more?: string;
    readonly rejected?: number;
    readonly duplicate?: number;
  };
}
const ID = 'id bigint';
const strings = Array.from({ length: 10 }, (_, index) => index + 1);

const good: Readonly<Record<string, Expected>> = {
  array_data: {
    carts: {
      stream: 'test_array_data',
      columns: [ID, 'fruits jsonb'],
      rows: [[1, ['apple', 'orange', 'pear']], [2, ['banana', 'apple']], [3, ['pear']], [4, ['orange', 'banana', 'apple', 'pear']]], // prettier-ignore
      state: '{"test_array_data": 4}',
    },
  },
  camelcase: {
    clients: {
      stream: 'TestCamelcase',
      columns: ['Id text', 'clientName text'],
      rows: [['1', 'Gitter Windows Desktop App'], ['2', 'Gitter iOS App']], // prettier-ignore
    },
  },
  camelcase_complex_schema: {
    categories: {
      stream: 'ForecastingTypeToCategory',
      columns: [
        'Id text',
        'IsDeleted boolean',
        'CreatedDate text',
        'CreatedById text',
        'LastModifiedDate text',
        'LastModifiedById text',
        'SystemModstamp text',
        'ForecastingTypeId text',
        'ForecastingItemCategory text',
        'DisplayPosition bigint',
        'IsAdjustable boolean',
        'IsOwnerAdjustable boolean',
        'age bigint',
        'NewCamelCasedAttribute text',
        '_attribute_startswith_underscore text',
      ],
      rows: [],
    },
  },
  duplicate_records: {
    last: {
      stream: 'test_duplicate_records',
      columns: [ID, 'metric bigint'],
      rows: [[1, 100], [2, 20]], // prettier-ignore
      duplicate: 3,
    },
  },
  encoded_string_data: {
    strings: {
      stream: 'test_strings',
      columns: [ID, 'info text'],
      rows: [
        'simple string 2837',
        'απλή συμβολοσειρά',
        '简单的字串',
        'chaîne simple',
        'quoted "string"',
        'various " \\ / \n escape sequences',
        'm',
        'ā',
        'ƙ',
        'Double quoting: \\u0000 \\u0041 \\u0001',
      ].map((info, index) => [index + 1, info]),
      more: ', max_rejected: 20%',
      rejected: 1,
    },
    objects: {
      stream: 'test_strings_in_objects',
      columns: [ID, 'info jsonb'],
      rows: strings.map((id) => [id, expect.objectContaining({ name: expect.any(String) as string })] as unknown[]),
      more: ', max_rejected: 20%',
      rejected: 1,
    },
    lists: {
      stream: 'test_strings_in_arrays',
      columns: [ID, 'strings jsonb'],
      rows: [
        [1, ['simple string', 'απλή συμβολοσειρά', '简单的字串']],
        [2, ['chaîne simple', 'quoted "string"']],
        [3, ['various " \\ / \n escape sequences']],
        [4, ['m', 'ā', 'ƙ']],
        [5, ['aaa', 'Double quoting: \\u0000 \\u0041 \\u0001']],
      ],
      more: ', max_rejected: 20%',
      rejected: 1,
    },
  },
  multiple_state_messages: {
    a: {
      stream: 'test_multiple_state_messages_a',
      columns: [ID, 'metric bigint'],
      rows: [1, 2, 3, 4, 5, 6].map((id) => [id, 100 * id]),
      state: '{"test_multiple_state_messages_a": 5, "test_multiple_state_messages_b": 6}',
    },
    b: {
      stream: 'test_multiple_state_messages_b',
      columns: [ID, 'metric bigint'],
      rows: [1, 2, 3, 4, 5, 6].map((id) => [id, 110 * id]),
      state: '{"test_multiple_state_messages_a": 5, "test_multiple_state_messages_b": 6}',
    },
  },
  optional_attributes: {
    all: {
      stream: 'test_optional_attributes',
      columns: [ID, 'optional text'],
      rows: [[1, 'This is optional'], [2, null], [3, 'Also optional'], [4, null]], // prettier-ignore
    },
  },
  // The keys lie inside the schemas, where no target looks: a stream without a key.
  pk_updates: {
    people: {
      stream: 'example_stream',
      columns: [ID, 'name text', 'email text'],
      rows: [[1, 'Alice', 'alice@example.com'], [2, 'Bob', 'bob@example.com']], // prettier-ignore
    },
  },
  record_missing_fields: {
    all: {
      stream: 'record_missing_fields',
      columns: [ID, 'optional text'],
      rows: [[1, 'now you see me'], [2, null]], // prettier-ignore
      state: '{}',
    },
  },
  schema_no_properties: {
    with_some: {
      stream: 'test_object_schema_with_properties',
      columns: ['object_store jsonb'],
      rows: [[{ id: 1, metric: 187 }], [{ id: 2, metric: 203 }]],
    },
    without: {
      stream: 'test_object_schema_no_properties',
      columns: ['object_store jsonb'],
      rows: [[{ id: 1, metric: 1 }], [{ id: 2, metric: 2 }]],
    },
  },
  schema_updates: {
    all: {
      stream: 'test_schema_updates',
      columns: [ID, 'a1 numeric', 'a2 text', 'a3 boolean', 'a4 jsonb', 'a5 jsonb', 'a6 bigint'],
      rows: [
        [1, 101, 'string1', null, null, null, null],
        [2, 102, 'string2', true, null, null, null],
        [3, 103, 'string3', false, { id: 1, value: 1 }, ['banana', 'apple'], null],
        [4, 104, 'string4', true, { id: 2, value: 22 }, ['orange', 'pear'], null],
        [5, 105, 'string5', false, { id: 3, value: 33 }, ['apple'], 985],
        [6, 106, 'string6', true, { id: 4, value: 444 }, ['banana', 'orange'], 341],
      ],
    },
  },
  special_chars_in_attributes: {
    all: {
      stream: 'test:SpecialChars!in?attributes',
      columns: ['_id text', 'd jsonb', '_sdc_table_version bigint'],
      rows: [['a2e98886', { env: 'prod', 'agent:type': 'desktop', 'agent:os:version': '10.13.1' }, 1541199424491]],
    },
  },
};

/** Files that a target has to refuse, with what is said. */
const refused: Readonly<Record<string, readonly [stream: string, code: string, message: RegExp]>> = {
  invalid_schema: ['test_invalid_schema', 'ELT_SINGER_SCHEMA', /line 1 .* the schema has no "properties"/],
  record_before_schema: ['test_record_before_schema', 'ELT_SINGER_MESSAGE', /line 1 .* a RECORD of test_record_before_schema came before its SCHEMA/], // prettier-ignore
  record_missing_key_property: ['test_record_missing_key_property', 'ELT_TOO_MANY_REJECTS', /line 2, column "id": got null, the key property is missing/], // prettier-ignore
  record_missing_required_property: ['test_record_missing_required_property', 'ELT_TOO_MANY_REJECTS', /line 2, column "id": got null, the schema requires the property/], // prettier-ignore
};

let bench: Workbench;
beforeAll(async () => void (bench = await createWorkbench({})));
afterAll(() => bench.destroy());

const tap = (name: string, file: string, resources: string): string =>
  `  ${name}:\n    type: singer\n    command: [sh, -c, cat ${STREAMS}/${file}.singer]\n    discover: false\n    resources:\n${resources}`;

let runs = 0;
async function load(sources: string): Promise<readonly LoadSummary[]> {
  await bench.write({ 'plumbline.yaml': `name: shop\nsources:\n${sources}` });
  const { run, plan } = await bench.open(`run-${++runs}`, ['elt']);
  try {
    return (await bench.elt(run, plan)).loads;
  } finally {
    await bench.close(run);
  }
}

async function columnsOf(table: string): Promise<string[]> {
  const rows = await bench.test.database.query<{ shown: string }>(
    `SELECT attname || ' ' || format_type(atttypid, atttypmod) AS shown FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('_load_id', '_row_number', '_loaded_at') ORDER BY attnum`,
    [`shop_dev_raw.${table}`],
  );
  return rows.map(({ shown }) => shown.replace(' with time zone', 'tz'));
}

async function rowsOf(table: string): Promise<unknown[][]> {
  const rows = await bench.test.database.query<{ row: Record<string, unknown> }>(
    `SELECT to_json(t) AS row FROM shop_dev_raw.${table} AS t ORDER BY 1::text, t`,
  );
  return rows.map(({ row: { _load_id, _row_number, _loaded_at, ...own } }) => Object.values(own));
}

const stateOf = async (resource: string): Promise<unknown> =>
  (await bench.test.database.query(`SELECT value FROM plumbline.cursors WHERE resource = $1`, [resource]))[0]?.[
    'value'
  ];

// Some dozens of processes: on a busy machine they take their time.
describe('the standard target tests of the Meltano SDK', { timeout: 180_000 }, () => {
  it('are there, all of them', () => {
    expect(Object.keys(good).length + Object.keys(refused).length + 4).toBe(20);
  });

  it('load the rows, types and states that they expect', async () => {
    const sources = Object.entries(good).map(([file, expected]) =>
      tap(
        file,
        file,
        Object.entries(expected)
          .map(([name, { stream, more = '' }]) => `      ${name}: { stream: ${JSON.stringify(stream)}${more} }\n`)
          .join(''),
      ),
    );
    const loads = new Map((await load(sources.join(''))).map((one) => [one.resource, one]));
    for (const [file, expected] of Object.entries(good))
      for (const [name, { columns, rows, state, rejected = 0, duplicate = 0 }] of Object.entries(expected)) {
        const table = `${file}_${name}`;
        expect(await columnsOf(table), table).toEqual(columns);
        expect(await rowsOf(table), table).toEqual(rows);
        if (state !== undefined) expect(await stateOf(`${file}.${name}`), table).toBe(state);
        const { rowsRead, rowsLoaded, rowsRejected, rowsDuplicate } = loads.get(`${file}.${name}`)!;
        expect([rowsRead, rowsLoaded, rowsRejected, rowsDuplicate], table).toEqual([rows.length + rejected + duplicate, rows.length, rejected, duplicate]); // prettier-ignore
      }
    expect(loads.get('multiple_state_messages.a')!.notices).toEqual([
      'sh also sent records of other streams, which were left out: test_multiple_state_messages_b (6).',
    ]);
  });

  it('append where there is no key, again and again', async () => {
    for (const file of ['no_primary_keys', 'no_primary_keys_append', 'no_primary_keys', 'no_primary_keys_append'])
      await load(tap('no_pk', file, '      all: { stream: test_no_pk }\n'));
    expect((await rowsOf('no_pk_all')).length).toBe(16);
  });

  it('update rows by key', async () => {
    const streams = ['test_users', 'test_locations', 'test_user_in_location'];
    const resources = streams.map((stream) => `      ${stream}: {}\n`).join('');
    for (const file of ['user_location_data', 'user_location_upsert_data']) await load(tap('geo', file, resources));
    expect(await rowsOf('geo_test_users')).toEqual([[1, 'Johny'], [2, 'George'], [3, 'Jacob'], [4, 'Josh'], [5, 'Jim'], [8, 'Thomas'], [12, 'Paul'], [13, 'Mary']]); // prettier-ignore
    expect(await rowsOf('geo_test_locations')).toEqual([[1, 'Philly'], [2, 'NY'], [3, 'San Francisco'], [6, 'Colorado'], [8, 'Boston']]); // prettier-ignore
    expect(await rowsOf('geo_test_user_in_location')).toEqual([
      [1, 1, 4, { mood: 'sad', weather: 'rainy' }],
      [2, 2, 3, { mood: 'satisfied', weather: 'sunny' }],
      [3, 1, 3, { mood: 'happy', weather: 'sunny' }],
      [6, 3, 2, { mood: 'happy', weather: 'sunny' }],
      [14, 4, 1, { mood: 'ok', weather: 'cloudy' }],
    ]);
  });

  it.each(Object.entries(refused))('refuse %s', async (file, [stream, code, message]) => {
    const failure = await load(tap('bad', file, `      ${file}: { stream: ${stream} }\n`)).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ details: [{ code }] });
    expect((failure as Error).message).toMatch(message);
  });

  it('are the files of the fixture', () => {
    const first = readFileSync(`${STREAMS}/array_data.singer`, 'utf8').split('\n')[0]!;
    expect(JSON.parse(first)).toMatchObject({ type: 'SCHEMA', stream: 'test_array_data' });
  });
});
