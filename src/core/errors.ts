/**
 * Errors. Two families: a bug is an `InvariantError` (see `invariant.ts`); everything that bad input or a hostile
 * world can cause is a `MeshError` with a stable code. A denied request or a refused handshake is neither: it is a
 * result.
 *
 * Messages are lower case, one line, without a final stop, user input in backticks.
 * @module
 */

/** Every code a `MeshError` can carry, with its meaning. Documented in `docs/reference/errors.md`. */
export const ERROR_CODES = {
  ERR_TIME_SYNTAX: 'a time or a duration cannot be read',
  ERR_IDENTITY_SYNTAX: 'a SPIFFE ID or a trust domain is malformed',
  ERR_CONFIG_SYNTAX: 'a manifest is not valid YAML',
  ERR_CONFIG_INVALID: 'a resource was refused: unknown field, wrong type or a value Istio refuses',
  ERR_CONFIG_IO: 'a file or folder cannot be read',
  ERR_REQUEST_INVALID: 'a request names a workload, port or attribute that cannot be used',
  ERR_SCENARIO_INVALID: 'a scenario file was refused',
  ERR_SCENARIO_UNKNOWN: 'no scenario of that name exists',
  ERR_REHEARSAL: 'a rehearsal or forecast cannot be held: its traffic does not work to begin with, or there is none',
  ERR_PKI_ENCODING: 'bytes are not the certificate, key or request they should be',
  ERR_PKI_ISSUE: 'the certificate authority refused to issue',
  ERR_PKI_OPTION: 'a setting of keys, certificates or rotation is out of range',
  ERR_TEST_INVALID: 'a policy-test file or a counterexample was refused',
  ERR_LOWCODE_INVALID: 'a low-code export was refused',
  ERR_EXPRESSION: 'a low-code expression is malformed or uses an unknown function',
  ERR_WIRE_LISTEN: 'a listener could not be opened',
  ERR_ATTACK: 'an attack has nothing to attack, or does not exist',
  ERR_FAULT_INVALID: 'a fault on a link was described wrongly',
  ERR_WIRE_BODY: 'a request body was cut off or is longer than its reader accepts',
  ERR_MESH_CLOSED: 'the mesh is closed',
  ERR_TRAFFIC_INVALID: 'a line of observed traffic cannot be read',
  ERR_ANALYSIS_LIMIT: 'an exact analysis would take more steps than it may',
  ERR_USAGE: 'the command line was used wrongly',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface MeshErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts about the failure, e.g. `{ file, line, column }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An operating error: bad input, or a world that does not play along. */
export class MeshError extends Error {
  override readonly name: string = 'MeshError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: MeshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
