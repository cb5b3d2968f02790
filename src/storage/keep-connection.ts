import type { Database, Session } from '../model/database.js';
import { translatePostgresError } from './errors.js';

export interface KeptConnection {
  readonly database: Database;
  /** Gives the connection back; what is lent from now on is not kept. Never throws. */
  release(): Promise<void>;
}

/**
 * The same database, which keeps one connection from one use to the next, so that work of many single statements is lent
 * one, and has it named, once. Uses at the same time are lent others. One that broke, or on which something failed, is
 * not kept.
 */
export function keepConnection(database: Database): KeptConnection {
  let kept: Lent | undefined;
  let isReleased = false;

  const take = async (): Promise<Lent> => {
    const free = kept;
    kept = undefined;
    if (free?.session.isBroken === false) return free;
    await free?.giveBack();
    return borrow(database);
  };
  const keep = async (lent: Lent): Promise<void> => {
    if (isReleased || kept !== undefined || lent.session.isBroken) await lent.giveBack();
    else kept = lent;
  };
  const keeping: Database = {
    query: (text, parameters) => keeping.session((session) => session.query(text, parameters)),
    execute: (text, parameters) => keeping.session((session) => session.execute(text, parameters)),
    async session(work) {
      const lent = await take();
      try {
        const result = await work(lent.session);
        await keep(lent);
        return result;
      } catch (error) {
        await lent.giveBack();
        throw translatePostgresError(error);
      }
    },
    transaction: (work) => keeping.session((session) => session.transaction(() => work(session))),
  };
  return {
    database: keeping,
    async release() {
      isReleased = true;
      const free = kept;
      kept = undefined;
      await free?.giveBack();
    },
  };
}

interface Lent {
  readonly session: Session;
  readonly giveBack: () => Promise<void>;
}

function borrow(database: Database): Promise<Lent> {
  return new Promise((resolve, reject) => {
    const loan = database.session(
      (session) =>
        new Promise<void>((end) => {
          const giveBack = (): Promise<void> => {
            end();
            return loan;
          };
          resolve({ session, giveBack });
        }),
    );
    loan.catch(reject);
  });
}
