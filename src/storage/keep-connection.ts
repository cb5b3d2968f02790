import type { Database, Session } from '../model/database.js';
import { translatePostgresError } from './errors.js';

export interface KeptConnection {
  readonly database: Database;
  /** Gives the connection back; what is lent from now on is not kept. Never throws. */
  release(): Promise<void>;
}

/**
 * The same database, which keeps one connection from one use to the next, so that work of many single statements is lent
 * one, and has it named, once. Uses at the same time are lent others. One that broke, on which something failed, or that
 * was not used for `idleMs`, is not kept: work that does something else for hours holds none.
 */
export function keepConnection(database: Database, idleMs = 5_000): KeptConnection {
  let kept: Lent | undefined;
  let idle: NodeJS.Timeout | undefined;
  let givenBack: Promise<void> | undefined;
  let isReleased = false;

  // At once, without a wait in between: a use and the end of the idle time never get the same connection.
  const takeKept = (): Lent | undefined => {
    clearTimeout(idle);
    const free = kept;
    kept = undefined;
    return free;
  };
  const take = async (): Promise<Lent> => {
    const free = takeKept();
    if (free?.session.isBroken === false) return free;
    await free?.giveBack();
    return borrow(database);
  };
  const keep = async (lent: Lent): Promise<void> => {
    if (isReleased || kept !== undefined || lent.session.isBroken) return lent.giveBack();
    kept = lent;
    idle = setTimeout(() => {
      givenBack = takeKept()?.giveBack();
    }, idleMs).unref();
  };
  const keeping: Database = {
    query: (text, parameters, options) => keeping.session((session) => session.query(text, parameters, options)),
    execute: (text, parameters, options) => keeping.session((session) => session.execute(text, parameters, options)),
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
    transaction: (work, settings) => keeping.session((session) => session.transaction(() => work(session), settings)),
  };
  return {
    database: keeping,
    async release() {
      isReleased = true;
      await Promise.all([givenBack, takeKept()?.giveBack()]);
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
