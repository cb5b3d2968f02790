/** Whether a path or a name has a character that makes it a pattern. */
export function isGlob(pattern: string): boolean {
  return /[*?[{]/.test(pattern);
}
