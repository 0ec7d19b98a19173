/**
 * HTTP methods as exports spell them.
 * @module
 */
import { didYouMean } from '../../core/index.ts';
import type { SourcePosition } from '../../istio/index.ts';
import { invalid } from '../document.ts';

export const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** @throws MeshError `ERR_LOWCODE_INVALID` */
export function readMethod(text: string, at: SourcePosition, known: readonly string[] = METHODS): string {
  const method = text.toUpperCase();
  if (known.includes(method)) return method;
  throw invalid(`unknown method \`${text}\`${didYouMean(text, known)}`, at);
}
