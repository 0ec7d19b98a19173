/**
 * Witnesses: one concrete request out of a region, in the shape of `authz --requests`, as short and familiar as the
 * region allows.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { AuthorizationRequest, DestinationAttributes, HttpAttributes, Json } from '../policy/request.ts';
import type { Traffic } from './access-program.ts';
import type { Walk } from './joint-walk.ts';
import type { BooleanLevel, ClassLevel } from './level.ts';
import { hitsOf } from './pattern-match.ts';
import { rawPathHits, shortestPath } from './path-classes.ts';
import type { Region } from './region.ts';
import type { WitnessToken } from './token-model.ts';
import { tokenOf, type ChosenToken } from './token-witness.ts';

export interface Witness {
  readonly request: AuthorizationRequest;
  /** What the external authorizers that matter have to answer. */
  readonly verdicts: Readonly<Record<string, 'allow' | 'deny'>>;
  /** How the token that says `request.auth` travels; absent where the request carries none. */
  readonly token?: WitnessToken;
}

export interface WitnessFrame {
  readonly destination: DestinationAttributes;
  readonly traffic: Traffic;
  /** Host header where nothing depends on it. */
  readonly host: string;
  /** Identities to choose from first; the set has them all, the list a few, and one is there in any mesh. */
  readonly principals: { readonly all: ReadonlySet<string>; readonly few: readonly string[]; readonly one?: string };
  /** Callers are of this trust domain, the mesh's own. */
  readonly ownTrustDomain?: string;
}

/** As many identities are tried where a class is not one identity. */
const PRINCIPALS_MAX = 16;

/** The identities of a mesh's workloads. */
export function familiarPrincipals({ settings, workloads }: MeshConfig): WitnessFrame['principals'] {
  const all = new Set(
    workloads.map(({ namespace, serviceAccount }) => `${settings.trustDomain}/ns/${namespace}/sa/${serviceAccount}`),
  );
  const few = [...all].slice(0, PRINCIPALS_MAX);
  return { all, few, one: few[0] ?? `${settings.trustDomain}/ns/default/sa/default` };
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'];

export function witnessOf(region: Region, walk: Pick<Walk, 'levels' | 'tokens'>, frame: WitnessFrame): Witness {
  const chosen = new Map(region.constraints.map(({ at, classes }) => [at, classes]));
  const token = tokenOf(walk, chosen);
  const draft = new Draft(frame, token);
  walk.levels.forEach((level, at) => {
    const classes = chosen.get(at);
    if (level.kind === 'classes') draft.choose(level, classes);
    else if (level.atom.id === token?.audience) draft.answer(level, true);
    else if (classes !== undefined) draft.answer(level, classes.includes(1));
  });
  return draft.finish();
}

class Draft {
  readonly #frame: WitnessFrame;
  readonly #token: ChosenToken | undefined;
  readonly #texts = new Map<string, string>();
  readonly #answers = new Map<
    string,
    { readonly level: BooleanLevel; readonly yes: number[]; readonly no: number[] }
  >();
  readonly #verdicts: Record<string, 'allow' | 'deny'> = {};

  constructor(frame: WitnessFrame, token: ChosenToken | undefined) {
    this.#frame = frame;
    this.#token = token;
  }

  choose(level: ClassLevel, classes: readonly number[] | undefined): void {
    if (level.name.startsWith('token')) return;
    if (classes === undefined) {
      // An address is always there, whatever it is; the rest has defaults.
      if (level.name.endsWith('.ip')) this.#texts.set(level.name, level.classes[0]?.witness ?? '');
      return;
    }
    const familiar = this.#familiar(level, classes);
    if (familiar !== undefined) {
      this.#texts.set(level.name, familiar);
      return;
    }
    const candidates = classes.map((index) => level.classes[index]).filter((each) => each !== undefined);
    candidates.sort(
      (a, b) =>
        Number(a.witness === undefined) - Number(b.witness === undefined) ||
        Number(a.unusual) - Number(b.unusual) ||
        (a.witness ?? '').length - (b.witness ?? '').length,
    );
    const absent = candidates.find((each) => each.witness === undefined);
    // Plain text and no server name are the smallest requests there are.
    const text = absent === undefined ? candidates[0]?.witness : undefined;
    if (text !== undefined) this.#texts.set(level.name, level.name === 'path' ? shortened(level, classes, text) : text);
  }

  /** A text people know, where one is in the classes; `undefined` also where the attribute had better be absent. */
  #familiar(level: ClassLevel, classes: readonly number[]): string | undefined {
    if (classes.some((index) => level.classes[index]?.witness === undefined)) return undefined;
    const known = this.#candidates(level);
    const isKnown = (text: string): boolean =>
      level.name === 'principal' ? this.#frame.principals.all.has(text) : known.includes(text);
    const own = classes.find((index) => isKnown(level.classes[index]?.witness ?? ''));
    if (own !== undefined) return level.classes[own]?.witness;
    const allowed = new Set(classes.map((index) => level.classes[index]?.hits.join('')));
    return known.find((text) => allowed.has(hitsOf(level.values, text).join('')));
  }

  #candidates(level: ClassLevel): readonly string[] {
    if (level.name === 'method') return METHODS;
    if (level.name === 'principal') return this.#frame.principals.few;
    if (level.name === 'own') return this.#frame.principals.few.map((principal) => behindTrustDomain(principal));
    return level.name === 'host' ? [this.#frame.host] : [];
  }

  answer(level: BooleanLevel, yes: boolean): void {
    const { attribute, attributeKey, id } = level.atom;
    if (attribute.kind === 'verdict') {
      this.#verdicts[attribute.provider] = yes ? 'deny' : 'allow';
      return;
    }
    const known = this.#answers.get(attributeKey) ?? { level, yes: [], no: [] };
    (yes ? known.yes : known.no).push(id);
    this.#answers.set(attributeKey, known);
  }

  finish(): Witness {
    const { destination, traffic } = this.#frame;
    const text = (name: string): string | undefined => this.#texts.get(name);
    const [ip, remoteIp] = [text('source.ip'), text('remote.ip')];
    const principal = this.#principal();
    const destinationIp = text('destination.ip');
    const sni = text('sni');
    return {
      request: {
        destination: { ...destination, ...(destinationIp === undefined ? {} : { ip: destinationIp }) },
        source: {
          ...(principal === undefined ? {} : { principal }),
          ...(ip === undefined ? {} : { ip }),
          ...(remoteIp === undefined ? {} : { remoteIp }),
        },
        ...(sni === undefined ? {} : { connection: { sni } }),
        ...(traffic === 'tcp' ? {} : { request: this.#http() }),
      },
      verdicts: this.#verdicts,
      ...(this.#token === undefined ? {} : { token: this.#token.carried }),
    };
  }

  #principal(): string | undefined {
    const { ownTrustDomain, principals, traffic } = this.#frame;
    if (ownTrustDomain === undefined) {
      // A request shows a server name only where mutual TLS was spoken.
      const some = traffic === 'http' && this.#texts.has('sni') ? principals.one : undefined;
      return this.#texts.get('principal') ?? some;
    }
    const [known = `${ownTrustDomain}/ns/default/sa/default`] = principals.few;
    return `${ownTrustDomain}/${this.#texts.get('own') ?? behindTrustDomain(known)}`;
  }

  #http(): HttpAttributes {
    const headers: Record<string, string | readonly string[]> = {};
    const claims: Record<string, Json> = {};
    for (const { level, yes, no } of this.#answers.values()) {
      const texts = level.group?.texts(yes, no);
      invariant(texts !== undefined, 'a region of the diagram has a witness');
      if (texts.length === 0) continue;
      const { attribute } = level.atom;
      const value = texts.length === 1 ? (texts[0] ?? '') : texts;
      if (attribute.kind === 'header') headers[attribute.name] = value;
      if (attribute.kind === 'claim') setClaim(claims, attribute.path, value);
    }
    const { issuer, subject } = this.#token ?? {};
    if (issuer !== undefined) claims['iss'] = issuer;
    if (subject !== undefined) claims['sub'] = subject;
    return {
      method: this.#texts.get('method') ?? 'GET',
      host: this.#texts.get('host') ?? this.#frame.host,
      path: this.#texts.get('path') ?? '/',
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
      ...(this.#token === undefined ? {} : { auth: { claims } }),
    };
  }
}

export function behindTrustDomain(principal: string): string {
  return principal.slice(principal.indexOf('/') + 1);
}

/** `scope` and its like are split at blanks, so that a list is needed where a text has one. */
const SPLIT: ReadonlySet<string> = new Set(['scope', 'permission']);

function setClaim(claims: Record<string, Json>, path: readonly string[], value: Json): void {
  const [first = '', ...rest] = path;
  if (rest.length === 0) {
    claims[first] = SPLIT.has(first) && typeof value === 'string' ? [value] : value;
    return;
  }
  const inner = claims[first];
  const nested: Record<string, Json> = isRecord(inner) ? { ...inner } : {};
  setClaim(nested, rest, value);
  claims[first] = nested;
}

function isRecord(value: Json | undefined): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As short as the classes allow. */
function shortened({ values, classes }: ClassLevel, wanted: readonly number[], raw: string): string {
  const allowed = new Set(wanted.map((index) => classes[index]?.hits.join('')));
  return shortestPath(values, raw, (shorter) => allowed.has(rawPathHits(values, shorter).join('')));
}
