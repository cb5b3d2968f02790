import type { Database, Session } from './database.js';

/** A Database whose every statement goes over one connection: whoever takes the work over ends it all by ending that one. */
export function onSession(session: Session): Database {
  return {
    query: session.query.bind(session),
    execute: session.execute.bind(session),
    session: (work) => work(session),
    transaction: (work, settings) => session.transaction(() => work(session), settings),
  };
}
