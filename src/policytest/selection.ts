/**
 * Which single tests run: by id, by a filter, and by shard.
 * @module
 */
import { createHash } from 'node:crypto';
import { MeshError } from '../core/index.ts';

export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** Reads `2/3`. @throws MeshError `ERR_USAGE` */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (index === undefined || shard.index < 1 || shard.index > shard.count)
    throw new MeshError('ERR_USAGE', `\`${text}\` is no shard such as 1/3: the first of three`);
  return shard;
}

/** A test belongs to the same shard on every machine, whatever other tests there are. */
export function isInShard(id: string, { index, count }: Shard): boolean {
  return createHash('sha256').update(id).digest().readUInt32BE(0) % count === index - 1;
}

/**
 * Text that ids contain, in any case, or `/a regular expression/`.
 * @throws MeshError `ERR_USAGE`
 */
export function parseFilter(text: string): (id: string) => boolean {
  const [, source, flags] = /^\/(.+)\/([iu]*)$/s.exec(text) ?? [];
  if (source === undefined) {
    const wanted = text.toLowerCase();
    return (id) => id.toLowerCase().includes(wanted);
  }
  try {
    const pattern = new RegExp(source, flags);
    return (id) => pattern.test(id);
  } catch {
    throw new MeshError('ERR_USAGE', `\`${text}\` is no regular expression`);
  }
}
