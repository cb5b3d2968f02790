import { TerminalError } from '../../../errors.js';

/** A workbook that cannot be read; a retry does not help. */
export function brokenWorkbook(file: string, why: unknown): TerminalError {
  if (why instanceof TerminalError) return why;
  const reason = why instanceof Error ? why.message.replace(/\s+/g, ' ').replace(/\.$/, '') : String(why);
  return new TerminalError('ELT_XLSX_BROKEN', `Reading ${file} as an Excel workbook failed: ${reason}.`, {
    at: { file },
    next: 'Open it and save it anew as .xlsx, without a password. The table keeps its former rows.',
    ...(why instanceof Error && { cause: why }),
  });
}
