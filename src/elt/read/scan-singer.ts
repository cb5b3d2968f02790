import { isUtf8 } from 'node:buffer';
import { TerminalError } from '../../errors.js';
import type { ColumnType } from '../../model/project.js';
import { commonType } from '../schema/unify-columns.js';
import { parseMessage } from '../singer/parse-message.js';
import { recordFault } from '../singer/record-fault.js';
import { schemaColumns, type StreamSchema } from '../singer/schema-columns.js';
import type { StreamFacts } from '../singer/stream-facts.js';
import { TABLE_VERSION } from '../singer/table-version.js';
import { FaultList } from './fault-list.js';
import { LineIndex } from './line-index.js';
import { jsonMembers, type JsonMember } from './ndjson-line.js';
import type { ByteSource } from './open-bytes.js';
import { readLines } from './read-lines.js';
import { keptText, type RowFault } from './row-fault.js';
import { holdsUnstorable } from './json-rows.js';

export interface SingerScan {
  /** Type of each column in the order of its first appearance; one that changed has the type that holds both. */
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly rows: number;
  readonly faults: readonly RowFault[];
  readonly lines: LineIndex;
  /** Records that have a member which the schema does not name, by member. */
  readonly unknown: ReadonlyMap<string, number>;
  readonly facts: StreamFacts;
}

export interface SingerScanOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onRow?: (members: readonly JsonMember[]) => void;
  /** See `readLines`. */
  readonly onChunk?: () => Promise<void>;
}

/**
 * Reads the SCHEMA, RECORD and ACTIVATE_VERSION messages of one stream, as the landing zone has them. A record that is not what the schema in force says, or
 * holds what PostgreSQL cannot store, is a fault. Throws `ELT_FILE_MALFORMED` for anything else; a retry does not help.
 */
export async function scanSinger(source: ByteSource, options: SingerScanOptions = {}): Promise<SingerScan> {
  const columns = new Map<string, ColumnType>();
  const unknown = new Map<string, number>();
  const faults = new FaultList(source.file);
  const lines = new LineIndex();
  let schema: (StreamSchema & { readonly key: readonly string[]; readonly names: ReadonlySet<string> }) | undefined;
  const keys = new Map<string, readonly string[]>();
  let activated: string | undefined;
  let rows = 0;
  let line = 0;

  const takeSchema = (text: string, key: readonly string[]): void => {
    const read = schemaColumns(text);
    keys.set(JSON.stringify(key), key);
    schema = { ...read, key, names: new Set(read.properties.map(({ name }) => name)) };
    for (const { name, type } of read.properties) addColumn(columns, name, type);
  };
  const takeRecord = (record: string, version: string | undefined, raw: string): void => {
    const row = ++rows;
    lines.add(row, line);
    const members = jsonMembers(record);
    const unstorable = members.find((member) => holdsUnstorable(member.source));
    const fault =
      unstorable === undefined
        ? recordFault(members, schema!, schema!.key)
        : {
            column: unstorable.key,
            value: unstorable.source,
            reason: 'holds a NUL character or half a surrogate pair, which PostgreSQL cannot store',
          };
    if (fault !== undefined) {
      const value = fault.value === null ? null : keptText(fault.value);
      faults.add({ row, line, column: fault.column, value, reason: fault.reason, raw: keptText(raw) });
      return;
    }
    for (const { key } of members) if (!schema!.names.has(key)) unknown.set(key, (unknown.get(key) ?? 0) + 1);
    if (version !== undefined) addColumn(columns, TABLE_VERSION, 'bigint');
    const own = members.filter(({ key }) => schema!.names.has(key));
    const stamp: JsonMember[] = version === undefined ? [] : [{ key: TABLE_VERSION, kind: 'number', source: version }];
    options.onRow?.([...own.filter(({ key }) => version === undefined || key !== TABLE_VERSION), ...stamp]);
  };

  await readLines(source, 'Singer messages', {
    ...options,
    onLine(bytes) {
      line++;
      const text = bytes.toString('utf8').trim();
      if (text === '') return;
      try {
        if (!isUtf8(bytes)) throw new SyntaxError('not valid UTF-8');
        const message = parseMessage(text);
        if (message.type === 'SCHEMA') takeSchema(message.schema, message.keyProperties);
        else if (message.type === 'ACTIVATE_VERSION') activated = message.version;
        else if (message.type === 'RECORD' && schema !== undefined) takeRecord(message.record, message.version, text);
        else throw new SyntaxError(`${message.type} before its SCHEMA`);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw malformed(source.file, line, error);
      }
    },
  });
  const facts = { keys: [...keys.values()], ...(activated !== undefined && { activated }) };
  return { columns, rows, faults: faults.all, lines, unknown, facts };
}

function addColumn(columns: Map<string, ColumnType>, name: string, type: ColumnType): void {
  const before = columns.get(name);
  columns.set(name, before === undefined ? type : commonType(before, type, false));
}

function malformed(file: string, line: number, cause: SyntaxError): TerminalError {
  return new TerminalError('ELT_FILE_MALFORMED', `Reading ${file} failed in line ${line}: ${cause.message}.`, {
    at: { file, line },
    next: 'Load again with --force, so that the tap is asked anew.',
    cause,
  });
}
