import type { Database, Queryable, Session } from '../../model/database.js';
import { sourceError, type SourceContext } from './source-error.js';

/** The same database, whose own errors say that it is a source; errors of the work done over it pass unchanged. */
export function sourceDatabase(database: Database, context: SourceContext): Database {
  const told = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw sourceError(error, context);
    }
  };
  const queryable = (target: Queryable): Queryable => ({
    query: (text, parameters, options) => told(() => target.query(text, parameters, options)),
    execute: (text, parameters, options) => told(() => target.execute(text, parameters, options)),
  });
  const source: Database = {
    ...queryable(database),
    async session(work) {
      let isConnected = false;
      try {
        return await database.session((session) => {
          isConnected = true;
          return work(sourceSession(session));
        });
      } catch (error) {
        throw isConnected ? error : sourceError(error, context);
      }
    },
    transaction: (work, settings) => source.session((session) => session.transaction(() => work(session), settings)),
  };
  return source;

  function sourceSession(session: Session): Session {
    return {
      ...queryable(session),
      pid: session.pid,
      backendStart: session.backendStart,
      get isBroken() {
        return session.isBroken;
      },
      copyFrom: (statement, rows, options) => told(() => session.copyFrom(statement, rows, options)),
      copyTo: (statement, sink, options) => told(() => session.copyTo(statement, sink, options)),
      queryLists: (text) => told(() => session.queryLists(text)),
      describe: (select) => told(() => session.describe(select)),
      transaction: (work, settings) => session.transaction(work, settings),
    };
  }
}
