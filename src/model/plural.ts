/** @example counted(1, 'row') // 1 row */
export function counted(count: number, one: string, many?: string): string {
  return `${count} ${plural(count, one, many)}`;
}

/** The word that goes with a number. @example plural(1, 'row') // row */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}
