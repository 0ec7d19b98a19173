/**
 * SPIFFE identities as data.
 * @module
 */
export * from './spiffe-id.ts';
