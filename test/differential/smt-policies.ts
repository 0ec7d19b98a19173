/**
 * Who gets through to one workload, in SMT-LIB: a translation of its own, from the documentation, that shares nothing
 * with the analysis but the types of policies.
 *
 * A request is: an identity or none, a server name or none, two addresses (IPv4 or IPv6), a port, HTTP or raw bytes;
 * with HTTP also method, path, host, and up to `LINES` lines of every header. Tokens are left out.
 */
import type { AuthorizationPolicy, AuthorizationRule, MeshConfig, Operation, Source } from '../../src/istio/index.ts';
import type { AuthorizationRequest } from '../../src/policy/index.ts';

export const TRUST_DOMAINS: readonly string[] = ['td', 'old'];
export const HEADERS: readonly string[] = ['x', 'y'];
/** Lines of a header a request of this model has at most. */
export const LINES = 3;
/** Declared as HTTP: bytes that are none are refused. */
export const HTTP_PORT = 8080;

const text = (value: string): string => `"${value}"`;
const any = '(re.* re.allchar)';
const re = (value: string): string => `(str.to_re ${text(value)})`;
const all = (parts: readonly string[]): string => (parts.length === 0 ? 'true' : `(and ${parts.join(' ')})`);
const some = (parts: readonly string[]): string => (parts.length === 0 ? 'false' : `(or ${parts.join(' ')})`);
const not = (part: string): string => `(not ${part})`;
const inside = (name: string, language: string): string => `(str.in_re ${name} ${language})`;

/** Exact, prefix, suffix, or present; `empty`: an empty text is present, too. */
function generic(value: string, literal: (part: string) => string = re, empty: boolean = false): string {
  if (value === '*') return empty ? any : '(re.+ re.allchar)';
  if (value.startsWith('*')) return `(re.++ ${any} ${literal(value.slice(1))})`;
  return value.endsWith('*') ? `(re.++ ${literal(value.slice(0, -1))} ${any})` : literal(value);
}

/** Letters in either case. */
function folded(value: string): string {
  const chars = Array.from(value, (char) => {
    const [lower, upper] = [char.toLowerCase(), char.toUpperCase()];
    return lower === upper ? re(char) : `(re.union ${re(lower)} ${re(upper)})`;
  });
  return chars.length === 1 ? (chars[0] ?? '') : `(re.++ ${chars.join(' ')})`;
}

const SEGMENT = '(re.+ (re.union (re.range "a" "z") (re.range "0" "9")))';
const SEGMENTS = '(re.* (re.union (re.range "a" "z") (re.range "0" "9") (str.to_re "/")))';

function path(value: string): string {
  if (!value.includes('{')) return generic(value);
  const parts = value
    .split('/')
    .flatMap((segment, i) => [
      ...(i === 0 ? [] : [re('/')]),
      segment === '{*}' ? SEGMENT : segment === '{**}' ? SEGMENTS : re(segment),
    ]);
  return `(re.++ ${parts.join(' ')})`;
}

/** The mesh's own trust domain and its aliases stand for each other. */
function principal(value: string): string {
  const [domain = '', ...rest] = value.split('/');
  const forms =
    rest.length === 4 && TRUST_DOMAINS.includes(domain) ? TRUST_DOMAINS.map((td) => [td, ...rest].join('/')) : [value];
  return some(forms.map((form) => inside('principal', generic(form))));
}

function namespace(value: string): string {
  const parts = value.split('*').flatMap((part, i) => (i === 0 ? [re(part)] : [any, re(part)]));
  return inside('principal', `(re.++ ${any} ${re('/ns/')} ${parts.join(' ')} ${re('/')} ${any})`);
}

function serviceAccount(value: string, policyNamespace: string): string {
  const [ns, account] = value.includes('/') ? value.split('/') : [policyNamespace, value];
  return inside('principal', `(re.++ ${any} ${re(`/ns/${ns}/sa/${account}`)})`);
}

function trustDomain(value: string): string {
  const values = TRUST_DOMAINS.includes(value) ? TRUST_DOMAINS : [value];
  return some(
    values.map((each) => {
      const parts = each.split('*').flatMap((part, i) => (i === 0 ? [re(part)] : [SEGMENTS_OF_DOMAIN, re(part)]));
      return inside('principal', `(re.++ ${parts.join(' ')} ${re('/')} ${any})`);
    }),
  );
}

const SEGMENTS_OF_DOMAIN =
  '(re.* (re.comp (re.union (str.to_re "/") (re.++ re.allchar re.allchar (re.* re.allchar)) (str.to_re ""))))';

/** Bits of an address; 32 or 128 of them. */
function bitsOf(address: string): string {
  if (!address.includes(':')) {
    return address
      .split('.')
      .map((octet) => Number(octet).toString(2).padStart(8, '0'))
      .join('');
  }
  const [head = '', tail] = address.split('::');
  const groups = (part: string): readonly string[] => (part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}

/** `name` is one of the addresses below. */
function block(name: string, value: string): string {
  const [address = '', length] = value.split('/');
  const bits = bitsOf(address);
  const family = bits.length === 32 ? not(`${name}6`) : `${name}6`;
  const count = Number(length ?? bits.length);
  if (count === 0) return family;
  const variable = bits.length === 32 ? `${name}v4` : `${name}v6`;
  const top = `((_ extract ${bits.length - 1} ${bits.length - count}) ${variable})`;
  return `(and ${family} (= ${top} #b${bits.slice(0, count)}))`;
}

function header(name: string, value: string): string {
  const lines = Array.from({ length: LINES }, (_, i) => `${name}${i}`);
  return some(lines.map((line) => `(and ${line}there ${inside(line, generic(value, re, true))})`));
}

type Encode = (value: string, policyNamespace: string) => string;

/** What a list of values asks; `http`: only requests have it; `identity`, `sni`: where there is one. */
interface Field {
  readonly encode: Encode;
  readonly needs?: 'http' | 'identity' | 'sni';
}

const FIELDS: Readonly<Record<string, Field>> = {
  principals: { encode: principal, needs: 'identity' },
  namespaces: { encode: namespace, needs: 'identity' },
  serviceAccounts: { encode: serviceAccount, needs: 'identity' },
  trustDomains: { encode: trustDomain, needs: 'identity' },
  ipBlocks: { encode: (value) => block('source', value) },
  remoteIpBlocks: { encode: (value) => block('remote', value) },
  methods: { encode: (value) => inside('method', generic(value, re, true)), needs: 'http' },
  paths: { encode: (value) => inside('path', path(value)), needs: 'http' },
  hosts: { encode: (value) => inside('host', generic(value, folded, true)), needs: 'http' },
  ports: { encode: (value) => `(= port ${value})` },
};

const CONDITIONS: Readonly<Record<string, string>> = {
  'source.principal': 'principals',
  'source.namespace': 'namespaces',
  'source.ip': 'ipBlocks',
  'remote.ip': 'remoteIpBlocks',
  'destination.port': 'ports',
};

function fieldOf(key: string): Field {
  const name = /^request\.headers\[(.*)\]$/.exec(key)?.[1];
  if (name !== undefined) return { encode: (value) => header(name, value), needs: 'http' };
  if (key === 'connection.sni') return { encode: (value) => inside('sni', generic(value)), needs: 'sni' };
  const field = FIELDS[CONDITIONS[key] ?? key];
  if (field === undefined) throw new Error(`no translation of ${key}`);
  return field;
}

interface Frame {
  readonly namespace: string;
  readonly action: 'ALLOW' | 'DENY';
}

/** Of what only HTTP has, raw bytes show nothing: an ALLOW rule with it is lost, a DENY rule loses that part. */
function clause(
  field: Field,
  values: readonly string[] | undefined,
  negated: boolean,
  frame: Frame,
): readonly string[] {
  if (values === undefined || values.length === 0) return [];
  const matched = some(values.map((value) => field.encode(value, frame.namespace)));
  const { needs } = field;
  const present =
    needs === 'identity' ? `(and authenticated ${matched})` : needs === 'sni' ? `(and named ${matched})` : matched;
  const answer = negated ? not(present) : present;
  if (needs !== 'http') return [answer];
  return [frame.action === 'ALLOW' ? `(and http ${answer})` : `(or (not http) ${answer})`];
}

function part(entry: Source | Operation, frame: Frame): string {
  return all(
    Object.entries(entry).flatMap(([name, values]) => {
      const negated = name.startsWith('not');
      const field = negated ? `${name.charAt(3).toLowerCase()}${name.slice(4)}` : name;
      return clause(fieldOf(field), values as readonly string[], negated, frame);
    }),
  );
}

/** An ALLOW rule with a part that raw bytes do not have is lost as a whole, whichever alternative it stands in. */
function usable({ from = [], to = [], when = [] }: AuthorizationRule, frame: Frame): readonly string[] {
  if (frame.action === 'DENY') return [];
  const names = [
    ...from.flatMap(({ source }) => Object.keys(source)),
    ...to.flatMap(({ operation }) => Object.keys(operation)),
  ].map((name) => (name.startsWith('not') ? `${name.charAt(3).toLowerCase()}${name.slice(4)}` : name));
  const isHttp = [...names, ...when.map(({ key }) => key)].some((name) => fieldOf(name).needs === 'http');
  return isHttp ? ['http'] : [];
}

function rule(each: AuthorizationRule, frame: Frame): string {
  const { from, to, when = [] } = each;
  return all([
    ...usable(each, frame),
    from === undefined ? 'true' : some(from.map(({ source }) => part(source, frame))),
    to === undefined ? 'true' : some(to.map(({ operation }) => part(operation, frame))),
    ...when.flatMap(({ key, values, notValues }) => [
      ...clause(fieldOf(key), values, false, frame),
      ...clause(fieldOf(key), notValues, true, frame),
    ]),
  ]);
}

function policies(list: readonly AuthorizationPolicy[]): string {
  const rules = (action: 'ALLOW' | 'DENY'): readonly string[] =>
    list
      .filter(({ spec }) => spec.action === action)
      .flatMap(({ spec, metadata }) =>
        (spec.rules ?? []).map((each) => rule(each, { namespace: metadata.namespace, action })),
      );
  const restricted = list.some(({ spec }) => spec.action === 'ALLOW');
  return `(and ${not(some(rules('DENY')))} ${restricted ? some(rules('ALLOW')) : 'true'})`;
}

const HANDSHAKES: Readonly<Record<string, string>> = {
  STRICT: `(and authenticated accepted)`,
  PERMISSIVE: `(or (not authenticated) accepted)`,
  DISABLE: `(not authenticated)`,
};

/** Whether a request gets through; all policies select the workload. */
export function allowed({ authorizationPolicies, peerAuthentications }: MeshConfig): string {
  const mode = peerAuthentications[0]?.spec.mtls?.mode ?? 'PERMISSIVE';
  return all([HANDSHAKES[mode] ?? 'false', `(or http (not (= port ${HTTP_PORT})))`, policies(authorizationPolicies)]);
}

const LOWER = '(re.union (re.range "a" "z") (re.range "0" "9"))';
const HOST_CHARACTERS = `(re.union (re.range "a" "z") (re.range "A" "Z") (re.range "0" "9") ${re('.')} ${re(':')} ${re('-')})`;
const address = (name: string): readonly string[] => [
  `(declare-const ${name}6 Bool) (declare-const ${name}v4 (_ BitVec 32)) (declare-const ${name}v6 (_ BitVec 128))`,
];

/** Realisable requests, as far as the vocabularies of the generators can tell them apart; templates take no `[`. */
export const UNIVERSE: string = [
  '(declare-const authenticated Bool) (declare-const named Bool) (declare-const http Bool) (declare-const port Int)',
  '(declare-const principal String) (declare-const method String) (declare-const path String)',
  '(declare-const host String) (declare-const sni String)',
  ...address('source'),
  ...address('remote'),
  ...HEADERS.flatMap((name) =>
    Array.from({ length: LINES }, (_, i) => `(declare-const ${name}${i} String) (declare-const ${name}${i}there Bool)`),
  ),
  `(assert ${inside('principal', `(re.++ (re.+ ${LOWER}) ${re('/ns/')} (re.+ ${LOWER}) ${re('/sa/')} (re.+ ${LOWER}))`)})`,
  `(define-fun accepted () Bool ${some(TRUST_DOMAINS.map((td) => inside('principal', `(re.++ ${re(`${td}/`)} ${any})`)))})`,
  `(assert ${inside('method', '(re.+ (re.range "A" "Z"))')})`,
  `(assert ${inside('path', `(re.++ ${re('/')} (re.* (re.union ${LOWER} ${re('/')} ${re('[')})))`)})`,
  `(assert ${inside('host', `(re.+ ${HOST_CHARACTERS})`)})`,
  `(assert ${inside('sni', `(re.+ (re.union ${LOWER} ${re('.')}))`)})`,
  // A plaintext request shows no server name; TLS that is forwarded unopened does.
  '(assert (=> (and http named) authenticated))',
  '(assert (and (<= 1 port) (<= port 65535)))',
].join('\n');

function fixedAddress(name: string, value: string | undefined): readonly string[] {
  if (value === undefined) return [];
  const bits = bitsOf(value);
  return bits.length === 32 ? [not(`${name}6`), `(= ${name}v4 #b${bits})`] : [`${name}6`, `(= ${name}v6 #b${bits})`];
}

function fixedHeaders(headers: NonNullable<AuthorizationRequest['request']>['headers'] = {}): readonly string[] {
  return HEADERS.flatMap((name) => {
    const lines = [headers[name] ?? []].flat();
    if (lines.length > LINES) throw new Error(`a witness has ${lines.length} lines of one header`);
    return Array.from({ length: LINES }, (_, i) => {
      const line = lines[i];
      return line === undefined ? not(`${name}${i}there`) : `(and ${name}${i}there (= ${name}${i} ${text(line)}))`;
    });
  });
}

/** One request: what it leaves open makes no difference. */
export function fixed({ source, destination, connection, request }: AuthorizationRequest): string {
  const equal = (name: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [`(= ${name} ${text(value)})`];
  const parts = [
    `(= authenticated ${source?.principal !== undefined})`,
    `(= named ${connection?.sni !== undefined})`,
    `(= http ${request !== undefined})`,
    `(= port ${destination.port})`,
    ...equal('principal', source?.principal),
    ...equal('sni', connection?.sni),
    ...equal('method', request?.method),
    ...equal('path', request?.path),
    ...equal('host', request?.host),
    ...fixedAddress('source', source?.ip),
    ...fixedAddress('remote', source?.remoteIp),
    ...fixedHeaders(request?.headers),
  ];
  return parts.map((each) => `(assert ${each})`).join('\n');
}
