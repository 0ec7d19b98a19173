/**
 * The two configurations of a comparison; what cannot be read says of which side it is.
 * @module
 */
import { MeshError } from '../core/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import type { DocumentCache } from '../istio/yaml-reader.ts';
import { loadConfiguration } from './git-manifests.ts';

const STDIN = '-';

/** @throws MeshError `ERR_USAGE`, `ERR_CONFIG_IO`; `ConfigError` */
export async function loadSides(
  { before, after }: { readonly before: string; readonly after: string },
  shared: readonly string[],
): Promise<readonly [MeshConfig, MeshConfig]> {
  if (shared.includes(STDIN) || (before === STDIN && after === STDIN)) {
    throw new MeshError('ERR_USAGE', 'standard input can be read once: `-` stands for either BEFORE or AFTER');
  }
  const documents: DocumentCache = new Map();
  const load = async (side: string, place: string): Promise<MeshConfig> => {
    try {
      return await loadConfiguration(place, shared, documents);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      const files = [place, ...shared].map((each) => `\`${each}\``).join(' with ');
      throw new MeshError(error.code, `${side} (${files}) cannot be used\n${error.message}`, { cause: error });
    }
  };
  const one = await load('BEFORE', before);
  return [one, await load('AFTER', after)];
}
