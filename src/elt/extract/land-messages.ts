import { isUtf8 } from 'node:buffer';
import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';
import { parseMessage, type SingerMessage } from '../singer/parse-message.js';
import { schemaColumns } from '../singer/schema-columns.js';
import type { Landing } from './land-rows.js';

export interface MessageLanding {
  readonly resource: Pick<ResourceConfig, 'id' | 'path' | 'at'>;
  /** What the messages may call the stream. */
  readonly names: readonly string[];
  /** For messages. */
  readonly tap: string;
  readonly landing: Landing;
  readonly redact: (text: string) => string;
}

export interface Messages {
  /** Takes a line that the tap writes. Throws `ELT_SINGER_MESSAGE`, `ELT_SINGER_SCHEMA`, `ELT_SINGER_BATCH` (terminal). */
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
export function landMessages({ resource, names, tap, landing, redact }: MessageLanding): Messages {
  const others = new Map<string, number>();
  let schema: string | undefined;
  let number = 0;
  let state = landing.checkpoint;

  const refuse = (code: 'ELT_SINGER_MESSAGE' | 'ELT_SINGER_SCHEMA', line: Buffer, why: string): TerminalError => {
    const text = redact(line.toString('utf8'));
    const shown = text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
    return new TerminalError(
      code,
      `Reading ${resource.id} failed in line ${number} of what ${tap} writes: ${redact(why)}. The line: ${JSON.stringify(shown)}.`,
      {
        at: resource.at,
        details: { line: number },
        next: 'A tap writes messages to its standard output and everything else to its standard error. Report it to its maker.',
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
          schema = schemaLine(message);
          return landing.setHead(Buffer.from(schema));
        }
        case 'RECORD':
          if (schema === undefined)
            throw refuse('ELT_SINGER_MESSAGE', line, `a RECORD of ${message.stream} came before its SCHEMA`);
          return landing.addRow(Buffer.from(recordLine(message)));
        case 'ACTIVATE_VERSION':
          return landing.addNote(Buffer.from(`{"type":"ACTIVATE_VERSION","stream":${JSON.stringify(message.stream)},"version":${message.version}}`)); // prettier-ignore
        case 'BATCH':
          throw new TerminalError('ELT_SINGER_BATCH', `Reading ${resource.id} failed: ${tap} sent a BATCH message, which names files instead of records; expected RECORD messages.`, {
            at: resource.at,
            next: 'Take `batch_config` out of the config of the tap.',
          }); // prettier-ignore
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

function recordLine({ stream, record, version }: Extract<SingerMessage, { readonly type: 'RECORD' }>): string {
  const of = version === undefined ? '' : `,"version":${version}`;
  return `{"type":"RECORD","stream":${JSON.stringify(stream)},"record":${record}${of}}`;
}
