import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { TerminalError } from '../../errors.js';
import { parseS3 } from '../../s3/location.js';
import { openBucket, type BucketOptions, type S3Bucket } from '../../s3/open-bucket.js';
import { isMetadataAddress, isPublicAddress } from '../http/public-address.js';
import { openSecrets } from '../http/secrets.js';
import type { ExtractOptions } from './extract-files.js';

/**
 * The bucket of a resource, opened with the credentials that plumbline.yaml refers to. An `endpoint` of the project may only lead to the
 * public internet unless `allow_private` says otherwise, and never to a cloud's metadata. Throws `ELT_SECRET_MISSING`, `ELT_HTTP_ADDRESS_REFUSED` (terminal).
 */
export async function resourceBucket({
  resource,
  root,
  environment = process.env,
}: Pick<ExtractOptions, 'resource' | 'root' | 'environment'>): Promise<S3Bucket> {
  const { endpoint, region, pathStyle, profile } = resource.s3 ?? {};
  const guard = endpoint === undefined ? undefined : guardOf(endpoint, resource.allowPrivate === true);
  guard?.(new URL(endpoint!).hostname);
  return openBucket({
    bucket: parseS3(resource.path).bucket,
    endpoint,
    region,
    pathStyle,
    profile,
    credentials: await credentialsOf(resource.s3, environment, root),
    doing: `Reading ${resource.id}`,
    ...(guard && { lookup: guardedLookup(guard) }),
  });
}

async function credentialsOf(
  s3: ExtractOptions['resource']['s3'],
  environment: NodeJS.ProcessEnv,
  root: string,
): Promise<BucketOptions['credentials']> {
  if (s3?.isAnonymous === true) return 'anonymous';
  if (s3?.credentials === undefined) return undefined;
  const secrets = openSecrets(environment, root);
  const { accessKeyId, secretAccessKey, sessionToken } = s3.credentials;
  return {
    accessKeyId: await secrets.valueOf(accessKeyId),
    secretAccessKey: await secrets.valueOf(secretAccessKey),
    ...(sessionToken !== undefined && { sessionToken: await secrets.valueOf(sessionToken) }),
  };
}

/** Throws `ELT_HTTP_ADDRESS_REFUSED` for an address that may not be reached. Of a name it says nothing: its addresses are checked when they are known. */
type Guard = (host: string) => void;

function guardedLookup(guard: Guard): LookupFunction {
  return (host, options, found) =>
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return found(error, []);
      try {
        for (const { address } of addresses) guard(address);
      } catch (refused) {
        return found(refused as Error, []);
      }
      if (options.all === true) return found(null, addresses);
      return found(null, addresses[0]!.address, addresses[0]!.family);
    });
}

function guardOf(endpoint: string, allowsPrivate: boolean): Guard {
  return (host) => {
    const address = host.replace(/^\[(.*)\]$/, '$1');
    if (isIP(address) === 0 || (allowsPrivate ? !isMetadataAddress(address) : isPublicAddress(address))) return;
    throw new TerminalError(
      'ELT_HTTP_ADDRESS_REFUSED',
      allowsPrivate
        ? `Reaching ${endpoint} was refused: it is ${address}, which is link-local or serves a cloud's metadata; \`allow_private\` does not allow that.`
        : `Reaching ${endpoint} was refused: it is ${address}, which is no address of the public internet.`,
      {
        details: { endpoint, address },
        next: allowsPrivate
          ? 'Correct `endpoint`.'
          : 'If the server is your own, set `allow_private: true` at its source in plumbline.yaml.',
      },
    );
  };
}
