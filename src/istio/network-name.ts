/**
 * Names and addresses as Istio's webhook accepts them. Its DNS labels may hold capitals, unlike those of Kubernetes.
 * Source: https://istio.io/latest/docs/reference/config/networking/
 * @module
 */
import ipaddr from 'ipaddr.js';
import { quote } from './config-error.ts';

const LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const WILDCARD_LABEL = /^(?:\*|(?:\*|\*-)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)$/;
const QUALIFIED = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_MAX = 63;
const DOMAIN_MAX = 255;
const PREFIX_MAX = 253;

export function isIstioLabel(text: string): boolean {
  return text.length <= LABEL_MAX && LABEL.test(text);
}

/** A strict IPv4 or IPv6 address; leading zeros and shortened forms of IPv4 are none. */
export function isIpAddress(text: string): boolean {
  if (!text.includes(':')) return isStrictIpv4(text);
  const dotted = text.includes('.') ? text.slice(text.lastIndexOf(':') + 1) : undefined;
  if (dotted !== undefined && !isStrictIpv4(dotted)) return false;
  return ipaddr.IPv6.isValid(text);
}

function isStrictIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** An address, or a block such as `10.0.0.0/8`; bits below the prefix may be set. */
export function isIpBlock(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash < 0) return isIpAddress(text);
  const [address, prefix] = [text.slice(0, slash), text.slice(slash + 1)];
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || address.includes('%') || !isIpAddress(address)) return false;
  return Number(prefix) <= (address.includes(':') ? 128 : 32);
}

/** Why `text` is no domain name, or nothing. */
export function domainFault(text: string): string | undefined {
  return lengthFault(text) ?? labelsFault(text);
}

/** As `domainFault`, but the first label may be `*`, `*x` or `*-x`. */
export function wildcardDomainFault(text: string): string | undefined {
  const fault = lengthFault(text);
  if (fault !== undefined) return fault;
  const dot = text.indexOf('.');
  const first = dot < 0 ? text : text.slice(0, dot);
  if (first.length > LABEL_MAX || !WILDCARD_LABEL.test(first)) {
    return `${quote(text)} is not a host name: ${quote(first)} is not a valid label`;
  }
  return dot < 0 ? undefined : labelsFault(text.slice(dot + 1));
}

/** Why `host` has a wildcard that stands for less than a whole label, or nothing. */
export function partialWildcardFault(host: string): string | undefined {
  const partial = host.includes('*') && host.length > 1 && !host.startsWith('*.');
  return partial ? `${quote(host)}: \`*\` should stand for a whole label` : undefined;
}

function lengthFault(text: string): string | undefined {
  if (text === '') return 'a host name may not be empty';
  return text.length > DOMAIN_MAX ? `a host name may have at most ${DOMAIN_MAX} characters` : undefined;
}

function labelsFault(text: string): string | undefined {
  const labels = text.split('.');
  const last = labels.at(-1) ?? '';
  if (/^[+-]?\d+$/.test(last)) return `${quote(text)} is not a host name: the last label is a number`;
  // An unambiguous name ends in a dot.
  const wrong = labels.find((label, index) => !isIstioLabel(label) && !(label === '' && index === labels.length - 1));
  return wrong === undefined ? undefined : `${quote(text)} is not a host name: ${quote(wrong)} is not a valid label`;
}

/** Why `key: value` is no label of a workload, or nothing. */
export function labelFault(key: string, value: string): string | undefined {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const prefixOk =
    prefix === undefined || (prefix.length <= PREFIX_MAX && prefix.split('.').every((p) => LABEL.test(p)));
  if (!prefixOk || name.length > LABEL_MAX || !QUALIFIED.test(name)) return `${quote(key)} is not a label key`;
  return value === '' || QUALIFIED.test(value) ? undefined : `${quote(value)} is not a label value`;
}
