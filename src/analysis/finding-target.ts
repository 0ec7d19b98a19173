/**
 * Where a finding applies.
 * @module
 */
import type { DestinationAttributes } from '../policy/request.ts';
import type { FindingTarget } from './finding.ts';
import { OTHER_PORT, type Subject } from './mesh-side.ts';

/**
 * @param port of the workload, or `OTHER_PORT`
 * @param known whether something declares the port
 */
export function targetOf({ namespace, name, declared }: Subject, port: number, known: boolean = true): FindingTarget {
  const otherPorts = port === OTHER_PORT;
  return {
    namespace,
    workload: name,
    ports: otherPorts ? [] : [port],
    ...(otherPorts || known ? {} : { undeclared: [port] }),
    otherPorts,
    hypothetical: declared === undefined,
  };
}

/** As a request is addressed to it; a port that nothing declares stands for all others. */
export function destinationOf(subject: Subject, port: number): DestinationAttributes {
  const { namespace, name, labels, declared } = subject;
  const number = port === OTHER_PORT ? unusedPort(subject) : port;
  return declared === undefined ? { namespace, labels, port: number } : { namespace, workload: name, port: number };
}

const FIRST_UNUSED = 1;

function unusedPort({ ports }: Subject): number {
  let port = FIRST_UNUSED;
  while (ports.some(({ number }) => number === port)) port++;
  return port;
}

/** The host a witness names where nothing depends on it. */
export function hostOf({ namespace, name, declared }: Subject): string {
  return declared === undefined ? namespace : name;
}
