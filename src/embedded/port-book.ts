import type { StackState } from '../config.js';
import { freePort } from './free-port.js';

export type PortName = keyof StackState['ports'];

export interface PortBook {
  get(name: PortName): number | undefined;
  set(name: PortName, port: number): void;
  /**
   * The port of last time when it is free or `keep` is set (other parts know it), else a usual one, else any that is free.
   */
  choose(name: PortName, options: { readonly keep: boolean; readonly usual: readonly number[] }): Promise<number>;
  all(): StackState['ports'];
}

export function openPortBook(ports: StackState['ports'], onChange: (ports: StackState['ports']) => void): PortBook {
  let known = ports;
  const book: PortBook = {
    get: (name) => known[name],
    set(name, port) {
      known = { ...known, [name]: port };
      onChange(known);
    },
    async choose(name, { keep, usual }) {
      const last = known[name];
      if (keep && last !== undefined) return last;
      const others = Object.entries(known).flatMap(([other, port]) => (other === name ? [] : [port]));
      const wanted = last === undefined ? usual : [last, ...usual];
      const port = await freePort(wanted, new Set(others));
      book.set(name, port);
      return port;
    },
    all: () => known,
  };
  return book;
}
