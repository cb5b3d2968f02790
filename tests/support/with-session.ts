import type { Database, Session } from '../../src/model/database.js';

/** The same database, whose sessions are changed before they are lent. */
export function withSession(database: Database, change: (session: Session) => Session): Database {
  return { ...database, session: (work) => database.session((session) => work(change(session))) };
}

/** One that sees no other connection, so that it never ends a former writer's. */
export function blindToWriters(database: Database): Database {
  return withSession(database, (session) => ({
    ...session,
    query: (text, parameters) =>
      text.includes('pg_stat_activity') ? Promise.resolve([]) : session.query(text, parameters),
  }));
}
