import { isUtf8 } from 'node:buffer';
import { unlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';
import { findBatchFile, readBatchFile } from '../singer/batch-file.js';
import { parseMessage, type SingerMessage } from '../singer/parse-message.js';
import { membersOfKept, schemaOfKept } from '../singer/property-selection.js';
import { schemaColumns } from '../singer/schema-columns.js';
import type { Landing } from './land-rows.js';

export interface MessageLanding {
  readonly resource: Pick<ResourceConfig, 'id' | 'path' | 'at'>;
  /** What the messages may call the stream. */
  readonly names: readonly string[];
  /** For messages. */
  readonly tap: string;
  readonly landing: Landing;
  /** Where files of BATCH messages may lie; undefined when the tap was not asked for any. */
  readonly batches?: string | undefined;
  /** Whether a property that is no key is wanted; without it all are. A tap may send others all the same. */
  readonly isKept?: ((name: string) => boolean) | undefined;
  /** Gets the properties of the first schema, to refuse them. */
  readonly onProperties?: ((properties: readonly string[], keys: readonly string[]) => void) | undefined;
  readonly redact: (text: string) => string;
}

export interface Messages {
  /** Takes a line that the tap writes. Throws `ELT_SINGER_MESSAGE`, `ELT_SINGER_SCHEMA`, `ELT_SINGER_BATCH` (terminal), and what `onProperties` does. */
  readonly take: (line: Buffer) => void | Promise<void>;
  /** Whether a STATE came that is not the one the tap began from. */
  readonly hasAdvanced: () => boolean;
  /** The tap is at its end. Gives what is to be said, one sentence each. Throws `ELT_SINGER_STREAM` when only other streams came. */
  readonly end: () => string[];
}

/**
 * Lands the messages of one stream, told from those of others. A message is landed in one form whatever else the tap writes into it, so that
 * the same rows are the same content.
 */
export function landMessages(options: MessageLanding): Messages {
  const { resource, names, tap, landing, redact, isKept } = options;
  const others = new Map<string, number>();
  let schema: string | undefined;
  let number = 0;
  let keys: readonly string[] = [];
  let state = landing.checkpoint;

  const refuse = (code: keyof typeof NEXT, line: Buffer, why: string): TerminalError => {
    const text = redact(line.toString('utf8'));
    const shown = text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
    return new TerminalError(
      code,
      `Reading ${resource.id} failed in line ${number} of what ${tap} writes: ${redact(why)}. The line: ${JSON.stringify(shown)}.`,
      {
        at: resource.at,
        details: { line: number },
        next: NEXT[code],
      },
    );
  };
  const read = (line: Buffer): SingerMessage | undefined => {
    number++;
    const text = line.toString('utf8').trim();
    if (text === '') return undefined;
    try {
      if (!isUtf8(line)) throw new SyntaxError('it is not valid UTF-8');
      return parseMessage(text);
    } catch (error) {
      throw refuse('ELT_SINGER_MESSAGE', line, isJson(text) ? (error as Error).message : 'it is not JSON');
    }
  };

  const isWanted = (name: string): boolean => isKept === undefined || keys.includes(name) || isKept(name);
  const addRecord = (
    { stream, version }: { stream: string; version?: string },
    record: string,
  ): void | Promise<void> => {
    const kept = isKept === undefined ? record : membersOfKept(record, isWanted);
    const of = version === undefined ? '' : `,"version":${version}`;
    return landing.addRow(Buffer.from(`{"type":"RECORD","stream":${JSON.stringify(stream)},"record":${kept}${of}}`));
  };
  /** A file that was landed is not needed any more: a tap may write more than the disk holds. */
  const addBatch = async (message: Extract<SingerMessage, { readonly type: 'BATCH' }>, line: Buffer): Promise<void> => {
    const { batches } = options;
    if (batches === undefined) throw refuse('ELT_SINGER_BATCH', line, 'its config has no batch_config');
    try {
      for (const name of message.manifest) {
        const file = await findBatchFile(name, batches);
        await readBatchFile(file, message.encoding, (record, lineNumber) => {
          if (record.length === 0) return;
          const text = record.toString('utf8');
          if (!isUtf8(record) || !isJson(text) || !text.trimStart().startsWith('{'))
            throw new SyntaxError(`line ${lineNumber} of ${basename(file)} is no JSON object in UTF-8`);
          return addRecord(message, text.trim());
        });
        await unlink(file);
      }
    } catch (error) {
      throw error instanceof SyntaxError ? refuse('ELT_SINGER_BATCH', line, error.message) : error;
    }
  };

  return {
    take(line) {
      const message = read(line);
      if (message === undefined) return;
      if (message.type === 'STATE') {
        if (message.value === 'null') return;
        state = message.value;
        return landing.addCheckpoint(state);
      }
      if (!names.includes(message.stream)) {
        if (message.type === 'RECORD') others.set(message.stream, (others.get(message.stream) ?? 0) + 1);
        return;
      }
      switch (message.type) {
        case 'SCHEMA': {
          const fault = schemaFault(message);
          if (fault !== undefined) throw refuse('ELT_SINGER_SCHEMA', line, fault);
          keys = message.keyProperties;
          if (schema === undefined) options.onProperties?.(propertiesOf(message), keys);
          schema = schemaLine(
            isKept === undefined ? message : { ...message, schema: schemaOfKept(message.schema, isWanted) },
          );
          return landing.setHead(Buffer.from(schema));
        }
        case 'RECORD':
          if (schema === undefined)
            throw refuse('ELT_SINGER_MESSAGE', line, `a RECORD of ${message.stream} came before its SCHEMA`);
          return addRecord(message, message.record);
        case 'ACTIVATE_VERSION':
          return landing.addNote(Buffer.from(`{"type":"ACTIVATE_VERSION","stream":${JSON.stringify(message.stream)},"version":${message.version}}`)); // prettier-ignore
        case 'BATCH':
          if (schema === undefined)
            throw refuse('ELT_SINGER_MESSAGE', line, `a BATCH of ${message.stream} came before its SCHEMA`);
          return addBatch(message, line);
      }
    },
    hasAdvanced: () => state !== landing.checkpoint,
    end() {
      const left = [...others].map(([stream, records]) => `${stream} (${records})`);
      if (schema === undefined && others.size > 0)
        throw new TerminalError('ELT_SINGER_STREAM', `Loading ${resource.id} failed: ${tap} sent no ${resource.path}, but records of ${left.join(', ')}.`, {
          at: resource.at,
          next: 'Correct `stream`.',
        }); // prettier-ignore
      return left.length === 0
        ? []
        : [`${tap} also sent records of other streams, which were left out: ${left.join(', ')}.`];
    },
  };
}

const SHOWN = 200;

const PROTOCOL = 'A tap writes messages to its standard output and everything else to its standard error. Report it to its maker.'; // prettier-ignore
const NEXT = {
  ELT_SINGER_MESSAGE: PROTOCOL,
  ELT_SINGER_SCHEMA: PROTOCOL,
  ELT_SINGER_BATCH:
    'Let `batch_config` of its config have the format jsonl or parquet, or take it out so that it sends records.',
} as const;

/** What JSON.parse says quotes a piece of the line, and a piece of a secret would not be known for one. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

type Schema = Extract<SingerMessage, { readonly type: 'SCHEMA' }>;

function propertiesOf({ schema }: Schema): string[] {
  return schemaColumns(schema).properties.map(({ name }) => name);
}

/** Why a schema cannot be one of a table; undefined when it can. */
function schemaFault({ schema, keyProperties }: Schema): string | undefined {
  try {
    const { properties } = schemaColumns(schema);
    const missing = keyProperties.find((key) => !properties.some(({ name }) => name === key));
    return missing === undefined ? undefined : `the key property ${JSON.stringify(missing)} is not in the schema`;
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

function schemaLine({ stream, schema, keyProperties }: Schema): string {
  return `{"type":"SCHEMA","stream":${JSON.stringify(stream)},"schema":${schema},"key_properties":${JSON.stringify(keyProperties)}}`;
}
