import { proxyActivities } from '@temporalio/workflow';

const { buildTransform } = proxyActivities<{ buildTransform(input: { transform: string }): Promise<unknown> }>({
  startToCloseTimeout: '1 minute',
});

/** The baseline: so many activities, one after the other, with nothing around them. */
export async function bare({ steps }: { readonly steps: number }): Promise<void> {
  for (let step = 0; step < steps; step++) await buildTransform({ transform: `t${step}` });
}
