/**
 * The fields of the security.istio.io kinds, as their CRDs declare them.
 * Source: https://istio.io/latest/docs/reference/config/security/
 * @module
 */
import type {
  AuthorizationPolicySpec,
  AuthorizationRule,
  Condition,
  Operation,
  Source,
} from './authorization-policy.ts';
import { quote } from './config-error.ts';
import { boolean, list, mapOf, object, oneOf, string, text, type Decoder } from './decode.ts';
import { duration } from './duration-text.ts';
import type { MutualTlsMode, PeerAuthenticationSpec } from './peer-authentication.ts';
import type { JwtRule, RequestAuthenticationSpec } from './request-authentication.ts';
import type { PolicyTargetReference, WorkloadSelector } from './resource.ts';

const RULES_MAX = 512;
const SERVICE_ACCOUNTS_MAX = 16;
const TARGETS_MAX = 16;
const JWT_RULES_MAX = 4096;
const LABELS_MAX = 4096;

const strings: Decoder<readonly string[]> = list(string);
const accounts: Decoder<readonly string[]> = list(string, { max: SERVICE_ACCOUNTS_MAX });

export const workloadSelector: Decoder<WorkloadSelector> = object<WorkloadSelector>({
  matchLabels: mapOf(string, { max: LABELS_MAX }),
});

const targetRef: Decoder<PolicyTargetReference> = object<PolicyTargetReference>(
  { group: string, kind: string, name: string, namespace: string },
  { required: ['kind', 'name'] },
);
const targetRefs: Decoder<readonly PolicyTargetReference[]> = list(targetRef, { max: TARGETS_MAX });

const mtls: Decoder<{ readonly mode?: MutualTlsMode }> = object<{ readonly mode?: MutualTlsMode }>({
  mode: oneOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'),
});

export const peerAuthenticationSpec: Decoder<PeerAuthenticationSpec> = object<PeerAuthenticationSpec>({
  selector: workloadSelector,
  mtls,
  portLevelMtls: mapOf(mtls),
});

const source: Decoder<Source> = object<Source>({
  principals: strings,
  notPrincipals: strings,
  requestPrincipals: strings,
  notRequestPrincipals: strings,
  namespaces: strings,
  notNamespaces: strings,
  serviceAccounts: accounts,
  notServiceAccounts: accounts,
  trustDomains: strings,
  notTrustDomains: strings,
  ipBlocks: strings,
  notIpBlocks: strings,
  remoteIpBlocks: strings,
  notRemoteIpBlocks: strings,
});

const operation: Decoder<Operation> = object<Operation>({
  hosts: strings,
  notHosts: strings,
  ports: strings,
  notPorts: strings,
  methods: strings,
  notMethods: strings,
  paths: strings,
  notPaths: strings,
});

const condition: Decoder<Condition> = object<Condition>(
  { key: string, values: strings, notValues: strings },
  { required: ['key'] },
);

const rule: Decoder<AuthorizationRule> = object<AuthorizationRule>({
  from: list(object<{ source: Source }>({ source }, { required: ['source'] }), { max: RULES_MAX }),
  to: list(object<{ operation: Operation }>({ operation }, { required: ['operation'] })),
  when: list(condition),
});

export const authorizationPolicySpec: Decoder<AuthorizationPolicySpec> = object<AuthorizationPolicySpec>({
  selector: workloadSelector,
  targetRef,
  targetRefs,
  action: oneOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM'),
  provider: object<{ name: string }>({ name: string }, { required: ['name'] }),
  rules: list(rule, { max: RULES_MAX }),
});

const header: Decoder<{ name: string; prefix?: string }> = object<{ name: string; prefix?: string }>(
  { name: string, prefix: string },
  { required: ['name'] },
);

const claimToHeader: Decoder<{ header: string; claim: string }> = object<{ header: string; claim: string }>(
  { header: string, claim: string },
  { required: ['header', 'claim'] },
);

const URI_MAX = 2048;

const jwksUri: Decoder<string> = (value, at) => {
  const uri = text(URI_MAX)(value, at);
  if (uri === undefined || isWebAddress(uri)) return uri;
  return at.fault(`expected an http or https URL, found ${quote(uri)}`);
};

function isWebAddress(uri: string): boolean {
  const protocol = URL.canParse(uri) ? new URL(uri).protocol : '';
  return protocol === 'http:' || protocol === 'https:';
}

const jwtRule: Decoder<JwtRule> = object<JwtRule>(
  {
    issuer: string,
    audiences: strings,
    jwksUri,
    jwks: string,
    fromHeaders: list(header),
    fromParams: strings,
    fromCookies: strings,
    outputPayloadToHeader: string,
    forwardOriginalToken: boolean,
    outputClaimToHeaders: list(claimToHeader),
    timeout: duration,
    spaceDelimitedClaims: list(string, { max: 64 }),
    presence: oneOf('OPTIONAL', 'REQUIRED'),
  },
  { aliases: { jwks_uri: 'jwksUri' } },
);

export const requestAuthenticationSpec: Decoder<RequestAuthenticationSpec> = object<RequestAuthenticationSpec>({
  selector: workloadSelector,
  targetRef,
  targetRefs,
  jwtRules: list(jwtRule, { max: JWT_RULES_MAX }),
});
