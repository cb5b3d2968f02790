export interface TemporalServerOptions {
  readonly port: number;
  readonly uiPort: number;
  readonly namespace: string;
  /** A SQLite file; without it everything is lost when the server ends. */
  readonly databaseFile?: string;
  /** @default true */
  readonly searchAttributes?: boolean;
}

const SEARCH_ATTRIBUTES = [
  'PlumblineProject=Keyword',
  'PlumblineStage=Keyword',
  'PlumblineEnv=Keyword',
  'PlumblineModelVersion=Keyword',
  'PlumblineRows=Int',
];

/** The arguments of `temporal` that start the development server on loopback. */
export function temporalServerArguments(options: TemporalServerOptions): string[] {
  return [
    'server',
    'start-dev',
    '--ip=127.0.0.1',
    `--port=${options.port}`,
    `--ui-port=${options.uiPort}`,
    '--log-level=error',
    '--ui-disable-news-fetch',
    // A profile on this machine is about other servers.
    '--disable-config-env',
    '--disable-config-file',
    // The default of 20 polls a second holds a chain of activities to about 100 ms a step.
    '--dynamic-config-value=history.transferProcessorMaxPollRPS=1000',
    // Waiting polls of a frozen worker would be given tasks for a minute, each lost until its heartbeat is overdue.
    '--dynamic-config-value=frontend.keepAliveTime="2s"',
    '--dynamic-config-value=frontend.keepAliveTimeout="3s"',
    ...(options.databaseFile === undefined ? [] : [`--db-filename=${options.databaseFile}`]),
    ...(options.namespace === 'default' ? [] : [`--namespace=${options.namespace}`]),
    ...((options.searchAttributes ?? true) ? SEARCH_ATTRIBUTES.map((each) => `--search-attribute=${each}`) : []),
  ];
}

/** Whether the server answers for its namespace; asked through the UI, so that both are known to be up. */
export async function temporalIsReady(server: {
  readonly uiPort: number;
  readonly namespace: string;
}): Promise<boolean> {
  const url = `http://127.0.0.1:${server.uiPort}/api/v1/namespaces/${encodeURIComponent(server.namespace)}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
