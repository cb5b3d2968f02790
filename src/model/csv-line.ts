/** A line of comma-separated text: NULL without quotation marks, every other value with them, as the loader tells the two apart. */
export function csvLine(fields: readonly (string | null)[]): string {
  return `${fields.map((field) => (field === null ? '' : `"${field.replaceAll('"', '""')}"`)).join(',')}\n`;
}
