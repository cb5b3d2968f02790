import { TerminalError } from '../../../errors.js';
import { brokenWorkbook } from './broken-workbook.js';
import { numberFormat, type NumberFormat } from './number-format.js';
import type { WorkbookParts } from './workbook-parts.js';

/** What the cells of a sheet refer to. */
export interface Workbook {
  /** Part of the sheet that is read. */
  readonly sheet: string;
  readonly is1904: boolean;
  readonly strings: readonly string[];
  /** By the number of a cell's style. */
  readonly formats: readonly NumberFormat[];
}

// They are all in memory while a sheet is read.
const MAX_STRING_CHARACTERS = 256 << 20;

/** @param sheet its name; the first that is visible without one. Throws `ELT_XLSX_SHEET`, `ELT_XLSX_BROKEN` (terminal). */
export async function openWorkbook(parts: WorkbookParts, file: string, sheet: string | undefined): Promise<Workbook> {
  const root = await relations(parts, '_rels/.rels', '');
  const main = [...root.values()].find(({ type }) => type.endsWith('/officeDocument'))?.target;
  if (main === undefined) throw brokenWorkbook(file, 'it says of no part that it is the workbook');
  const folder = main.slice(0, main.lastIndexOf('/') + 1);
  const related = await relations(parts, `${folder}_rels/${main.slice(folder.length)}.rels`, folder);
  const partOf = (kind: string): string | undefined =>
    [...related.values()].find(({ type }) => type.endsWith(`/${kind}`))?.target;
  const sheets: { name: string; id: string; isHidden: boolean }[] = [];
  let is1904 = false;
  await parts.read(main, {
    onOpen(name, attributes) {
      if (name === 'workbookPr') is1904 = ['1', 'true'].includes(attributes['date1904'] ?? '');
      if (name !== 'sheet') return;
      const id = Object.entries(attributes).find(([key]) => key.endsWith(':id'))?.[1] ?? '';
      sheets.push({ name: attributes['name'] ?? '', id, isHidden: (attributes['state'] ?? 'visible') !== 'visible' });
    },
  });
  const chosen = sheets.find(({ name, isHidden }) => (sheet === undefined ? !isHidden : name === sheet));
  const target = chosen && related.get(chosen.id);
  if (target?.type.endsWith('/worksheet') !== true) throw noSheet(file, sheet, sheets);
  return {
    sheet: target.target,
    is1904,
    strings: await sharedStrings(parts, partOf('sharedStrings'), file),
    formats: await cellFormats(parts, partOf('styles')),
  };
}

interface Relation {
  readonly type: string;
  readonly target: string;
}

async function relations(parts: WorkbookParts, part: string, folder: string): Promise<Map<string, Relation>> {
  const found = new Map<string, Relation>();
  await parts.read(part, {
    onOpen(name, { Id: id = '', Type: type = '', Target: target = '', TargetMode: mode }) {
      if (name === 'Relationship' && mode !== 'External')
        found.set(id, { type, target: target.startsWith('/') ? target.slice(1) : `${folder}${target}` });
    },
  });
  return found;
}

async function sharedStrings(parts: WorkbookParts, part: string | undefined, file: string): Promise<string[]> {
  const strings: string[] = [];
  if (part === undefined || !parts.has(part)) return strings;
  let characters = 0;
  let text = '';
  let isText = false;
  // Readings of Asian characters stand beside the text and are no part of it.
  let readings = 0;
  await parts.read(part, {
    onOpen(name) {
      if (name === 'si') text = '';
      else if (name === 'rPh') readings++;
      isText = name === 't' && readings === 0;
    },
    onText(piece) {
      if (isText) text += piece;
    },
    onClose(name) {
      isText = false;
      if (name === 'rPh') readings--;
      if (name !== 'si') return;
      characters += text.length;
      if (characters > MAX_STRING_CHARACTERS) throw brokenWorkbook(file, 'its texts are more than 256 MiB');
      strings.push(text);
    },
  });
  return strings;
}

async function cellFormats(parts: WorkbookParts, part: string | undefined): Promise<NumberFormat[]> {
  const formats: NumberFormat[] = [];
  if (part === undefined || !parts.has(part)) return formats;
  const codes = new Map<string, string>();
  let isInCells = false;
  await parts.read(part, {
    onOpen(name, attributes) {
      if (name === 'numFmt') codes.set(attributes['numFmtId'] ?? '', attributes['formatCode'] ?? '');
      else if (name === 'cellXfs') isInCells = true;
      else if (name === 'xf' && isInCells) {
        const id = attributes['numFmtId'] ?? '0';
        formats.push(numberFormat(Number(id), codes.get(id)));
      }
    },
    onClose(name) {
      if (name === 'cellXfs') isInCells = false;
    },
  });
  return formats;
}

function noSheet(file: string, sheet: string | undefined, sheets: readonly { readonly name: string }[]): TerminalError {
  const names = sheets.slice(0, 20).map(({ name }) => JSON.stringify(name));
  const wanted = sheet === undefined ? 'no sheet of cells that is visible' : `no sheet ${JSON.stringify(sheet)}`;
  return new TerminalError(
    'ELT_XLSX_SHEET',
    `Reading ${file} failed: it has ${wanted}; it has ${names.join(', ') || 'none'}.`,
    {
      at: { file },
      next: 'Correct `xlsx.sheet` of the resource.',
    },
  );
}
