/**
 * The simulated mesh: virtual clock, certificate agents, sidecars, callers and traffic. It tells what happens through
 * its event log alone.
 * @module
 */
export type { GatewayOption, GatewayRoute, GatewayTable } from './gateway.ts';
export * from './application.ts';
export { CertificateAgent, type CsrPath } from './certificate-agent.ts';
export { MeshCa, ROOT_STEPS, type RootStep } from './mesh-ca.ts';
export * from './request.ts';
export * from './service-profile.ts';
export type { Way } from './departures.ts';
export type { SimulationOptions } from './simulation-options.ts';
export { Simulation } from './simulation.ts';
export * from './traffic.ts';
export type { TrustedRoots } from './trusted-roots.ts';
export { type Timer, VirtualClock } from './virtual-clock.ts';
export type { FaultWindow } from './trouble.ts';
export type { Refused, Served } from './witnesses.ts';
