/**
 * Well-known low-code platforms, with their prices as the project's brief states them. They are listed, not verified:
 * vendors change prices, and nothing else here depends on them.
 * @module
 */

export interface LowCodePlatform {
  readonly name: string;
  readonly type: string;
  readonly pricing: string;
  /** Reader of this room that takes the platform's exports, if one does. */
  readonly importFrom?: string;
}

/** Where the types and prices come from. */
export const LOW_CODE_PLATFORMS_SOURCE = 'the brief this project was built from; not checked against the vendors';

export const lowCodePlatforms: readonly LowCodePlatform[] = [
  {
    name: 'Retool',
    type: 'Internal Tools',
    pricing: 'Free tier + $10/user',
    importFrom: 'resources YAML, app functions (.rsx)',
  },
  {
    name: 'Power Apps',
    type: 'Business Apps',
    pricing: '$20/user/month',
    importFrom: 'Power Automate flows (JSON or YAML)',
  },
  { name: 'Mendix', type: 'Enterprise Apps', pricing: 'Contact Sales', importFrom: 'OpenAPI' },
  { name: 'OutSystems', type: 'Enterprise Apps', pricing: 'Contact Sales', importFrom: 'OpenAPI' },
  {
    name: 'Appsmith',
    type: 'Internal Tools (OSS)',
    pricing: 'Free (self-hosted)',
    importFrom: 'application export, query metadata (JSON)',
  },
  { name: 'Budibase', type: 'Internal Tools (OSS)', pricing: 'Free (self-hosted)' },
];

/** The list for people: a heading and one line a platform. */
export function formatLowCodePlatforms(platforms: readonly LowCodePlatform[] = lowCodePlatforms): string {
  return ['Low Code Platforms:', ...platforms.map(({ name, type, pricing }) => ` ${name}: ${type} — ${pricing}`)].join(
    '\n',
  );
}
