/**
 * The simulated mesh: virtual clock, certificate agents, sidecars, callers and traffic. It tells what happens through
 * its event log alone.
 * @module
 */
export * from './application.ts';
export { CertificateAgent } from './certificate-agent.ts';
export { MeshCa } from './mesh-ca.ts';
export * from './request.ts';
export * from './service-profile.ts';
export { Simulation, type SimulationOptions } from './simulation.ts';
export * from './traffic.ts';
export { type Timer, VirtualClock } from './virtual-clock.ts';
