import type { Secret, TemporalSettings } from '../config.js';
import { TransientError } from '../errors.js';

/**
 * Asks PostgreSQL one question, where its connections keep their session. Throws `PG_UNREACHABLE` within 5 s, and `PG_POOLER`
 * for a pooler that lends them by the transaction.
 */
export async function checkDatabase(url: Secret): Promise<{ readonly version: string }> {
  const [{ openDatabase }, { assertSessions }] = await Promise.all([
    import('../storage/database.js'),
    import('../storage/find-pooler.js'),
  ]);
  await assertSessions(url.reveal());
  const database = openDatabase({
    url: url.reveal(),
    max: 1,
    applicationName: 'plumbline check',
    connectTimeoutMs: 3_500,
  });
  try {
    const [row] = await database.query<{ version: string }>(`SELECT current_setting('server_version') AS version`);
    return { version: row?.version ?? 'unknown' };
  } finally {
    await database.close();
  }
}

/** Asks Temporal for the namespace. Throws `TEMPORAL_UNREACHABLE` within 5 s, for a missing namespace too. */
export async function checkTemporal(temporal: TemporalSettings): Promise<{ readonly version: string }> {
  const { Connection } = await import('@temporalio/client');
  const { address, namespace } = temporal;
  let connection: Awaited<ReturnType<typeof Connection.connect>> | undefined;
  try {
    // The connection's own options for a channel differ between native and gRPC-js; address, TLS and key are shared.
    connection = await Connection.connect({ ...temporal.connectionOptions, connectTimeout: 3_000 });
    const opened = connection;
    return await opened.withDeadline(Date.now() + 2_000, async () => {
      const { serverVersion } = await opened.workflowService.getSystemInfo({});
      await opened.workflowService.describeNamespace({ namespace });
      return { version: serverVersion || 'unknown' };
    });
  } catch (error) {
    throw new TransientError(
      'TEMPORAL_UNREACHABLE',
      `Connecting to Temporal at ${address}, namespace ${namespace}, failed: ${error instanceof Error ? error.message : String(error)}.`,
      {
        next: temporal.embedded
          ? 'Start it with `plumbline up`.'
          : 'Check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the TLS settings or the profile they come from.',
        cause: error,
      },
    );
  } finally {
    await connection?.close();
  }
}
