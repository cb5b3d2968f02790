import { TerminalError } from '../../../errors.js';

/** A workbook that cannot be read; a retry does not help. What the system says, as of a full disk, is no fault of the workbook. */
export function brokenWorkbook(file: string, why: unknown): Error {
  if (why instanceof TerminalError || (why instanceof Error && 'syscall' in why)) return why;
  const reason = why instanceof Error ? why.message.replace(/\s+/g, ' ').replace(/\.$/, '') : String(why);
  return new TerminalError('ELT_XLSX_BROKEN', `Reading ${file} as an Excel workbook failed: ${reason}.`, {
    at: { file },
    next: 'Open it and save it anew as .xlsx, without a password. The table keeps its former rows.',
    ...(why instanceof Error && { cause: why }),
  });
}
