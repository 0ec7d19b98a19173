/**
 * What istiod's webhook refuses in a DestinationRule. What concerns one of connection pool, load balancer and outlier
 * detection alone is refused where their fields are read.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/
 * @module
 */
import { quote } from './config-error.ts';
import { PORT_MAX, type Decoding } from './decode.ts';
import type { ClientTlsSettings, DestinationRule, PortTrafficPolicy, TrafficPolicy } from './destination-rule.ts';
import { validateExportTo } from './export-to.ts';
import { domainFault, isIpAddress, isIstioLabel, labelFault, wildcardDomainFault } from './network-name.ts';
import { validateAnnotations, validateSelector } from './policy-target.ts';

const CONFIG_MAP_SCHEME = 'configmap://';

export function validateDestinationRule(rule: DestinationRule, at: Decoding): void {
  const { spec, metadata } = rule;
  const { namespace } = metadata;
  validateAnnotations(metadata.annotations, at);
  at.in('spec', () => {
    const fault = wildcardDomainFault(spec.host);
    if (fault !== undefined) at.fault(fault, 'host');
    validateTrafficPolicy(spec.trafficPolicy, namespace, at);
    validateSubsets(rule, at);
    const privateOnly = spec.workloadSelector !== undefined;
    validateExportTo(spec.exportTo, { namespace, noneAllowed: false, privateOnly }, at);
    if (spec.workloadSelector !== undefined) validateSelector(spec.workloadSelector, at, 'workloadSelector');
  });
}

function validateSubsets({ spec, metadata }: DestinationRule, at: Decoding): void {
  const seen = new Set<string>();
  spec.subsets?.forEach((subset, index) =>
    at.in('subsets', () =>
      at.in(index, () => {
        if (seen.has(subset.name)) at.fault(`the subset ${quote(subset.name)} is declared twice`, 'name');
        seen.add(subset.name);
        if (!isIstioLabel(subset.name)) at.fault(`${quote(subset.name)} is not a subset name`, 'name');
        for (const [key, value] of Object.entries(subset.labels ?? {})) {
          const fault = labelFault(key, value);
          if (fault !== undefined) at.fault(fault, 'labels', key);
        }
        validateTrafficPolicy(subset.trafficPolicy, metadata.namespace, at);
      }),
    ),
  );
}

function validateTrafficPolicy(policy: TrafficPolicy | undefined, namespace: string, at: Decoding): void {
  if (policy === undefined) return;
  at.in('trafficPolicy', () => {
    if (Object.keys(policy).length === 0) at.fault('needs at least one field');
    if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
      at.fault('`tunnel` and `proxyProtocol` cannot be given together');
    }
    validateTls(policy.tls, namespace, at);
    validateTunnel(policy.tunnel, at);
    policy.portLevelSettings?.forEach((port, index) =>
      at.in('portLevelSettings', () => at.in(index, () => validatePort(port, namespace, at))),
    );
  });
}

function validatePort(policy: PortTrafficPolicy, namespace: string, at: Decoding): void {
  if (policy.port === undefined) at.fault('the field `port` is missing');
  const { port: _, ...settings } = policy;
  if (Object.keys(settings).length === 0) at.fault('needs a setting besides `port`');
  validateTls(policy.tls, namespace, at);
}

function validateTunnel(tunnel: TrafficPolicy['tunnel'], at: Decoding): void {
  if (tunnel === undefined) return;
  const { protocol, targetHost, targetPort } = tunnel;
  if (typeof protocol === 'string' && !['', 'CONNECT', 'POST'].includes(protocol)) {
    at.fault(`expected one of \`CONNECT\`, \`POST\`, found ${quote(protocol)}`, 'tunnel', 'protocol');
  }
  if (typeof targetHost === 'string' && !isIpAddress(targetHost)) {
    const fault = domainFault(targetHost);
    if (fault !== undefined) at.fault(fault, 'tunnel', 'targetHost');
  }
  if (typeof targetPort === 'number' && (targetPort < 1 || targetPort > PORT_MAX)) {
    at.fault(`expected a port from 1 to ${PORT_MAX}, found \`${targetPort}\``, 'tunnel', 'targetPort');
  }
}

function given(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}

function validateTls(tls: ClientTlsSettings | undefined, namespace: string, at: Decoding): void {
  if (tls === undefined) return;
  at.in('tls', () => {
    validateConfigMapCredential(tls, namespace, at);
    if (tls.insecureSkipVerify === true) validateSkipVerify(tls, at);
    const usesFiles =
      given(tls.clientCertificate) || given(tls.caCertificates) || given(tls.privateKey) || given(tls.caCrl);
    if (given(tls.credentialName) && (tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL')) {
      if (usesFiles)
        at.fault('`credentialName` cannot be given together with files of certificates or keys', 'credentialName');
      return;
    }
    if (tls.mode !== 'MUTUAL') return;
    if (!given(tls.clientCertificate)) at.fault('MUTUAL needs `clientCertificate` (or `credentialName`)');
    if (!given(tls.privateKey)) at.fault('MUTUAL needs `privateKey` (or `credentialName`)');
  });
}

function validateSkipVerify(tls: ClientTlsSettings, at: Decoding): void {
  const trusts = given(tls.caCertificates) || (tls.subjectAltNames?.length ?? 0) > 0;
  const simple = tls.mode === 'SIMPLE' && (trusts || given(tls.credentialName));
  if (simple || (tls.mode === 'MUTUAL' && trusts)) {
    at.fault(
      'cannot be given together with what it would not verify (CA certificates, names, credential)',
      'insecureSkipVerify',
    );
  }
}

/** `configmap://namespace/name`, where the namespace must be the rule's own. */
function validateConfigMapCredential(tls: ClientTlsSettings, namespace: string, at: Decoding): void {
  const name = tls.credentialName ?? '';
  if (!name.startsWith(CONFIG_MAP_SCHEME)) return;
  const [owner, map = ''] = name.slice(CONFIG_MAP_SCHEME.length).split('/');
  if (owner !== namespace || map === '') {
    at.fault(`expected \`configmap://${namespace}/name\`, found ${quote(name)}`, 'credentialName');
  }
}
