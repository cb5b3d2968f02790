import { parseYaml, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';

/** Keys whose value is a sentence: read as it stands, colons and all. */
const SENTENCES = new Set(['description', 'assumption', 'known_at_assumed']);

/**
 * The settings at the top of an SQL file: the first block of `--` lines, those of the form `-- key: value` (and the
 * indented or `- ` lines that continue one) read as YAML. Other lines of the block are prose. Positions are the file's.
 */
export function readSqlHeader(
  file: string,
  sql: string,
): { readonly yaml: LocatedYaml; readonly problems: readonly Problem[] } {
  const kept: string[] = [];
  const shift = new Map<number, number>();
  let started = false;
  let inEntry = false;
  for (const line of sql.split(/\r?\n/)) {
    const match = /^(\s*-- ?)(.*)$/.exec(line);
    if (match === null) {
      if (started || line.trim() !== '') break;
      kept.push('');
      continue;
    }
    started = true;
    const [, marker = '', body = ''] = match;
    const entry = /^([A-Za-z_][\w-]*):(?=\s|$)/.exec(body);
    inEntry = entry !== null || (inEntry && /^(\s+\S|- )/.test(body));
    kept.push(!inEntry ? '' : entry === null ? body : asText(body, entry[1] ?? ''));
    shift.set(kept.length, marker.length);
  }
  const parsed = parseYaml(file, kept.join('\n'), shift);
  return parsed.yaml.value === null ? { ...parsed, yaml: { ...parsed.yaml, value: {} } } : parsed;
}

function asText(body: string, key: string): string {
  const value = body.slice(key.length + 1).trim();
  if (!SENTENCES.has(key) || value === '' || /^["'|>]/.test(value)) return body;
  return `${key}: ${JSON.stringify(value)}`;
}
