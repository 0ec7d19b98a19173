/**
 * Plausible edits of the market's policies: what ends in a pull request on an ordinary day.
 */
export interface Edit {
  readonly name: string;
  /** Text of `policies.yaml`, and what stands there afterwards. */
  readonly changes: readonly (readonly [from: string, to: string])[];
}

/** The whole document of a policy, with the line that parts it from the one before. */
function documentOf(policies: string, name: string, namespace: string): string {
  const found = policies
    .split(/(?<=\n)(?=---\n)/)
    .find((text) => text.includes(`name: ${name}, namespace: ${namespace} `));
  if (found === undefined) throw new Error(`no policy ${namespace}/${name}`);
  return found;
}

/** `policies` is the text before. */
export function edits(policies: string): readonly Edit[] {
  const removed = (name: string, namespace: string): readonly [string, string] => [
    documentOf(policies, name, namespace),
    '',
  ];
  const merged = documentOf(policies, 'catalog-write', 'shop');
  return [
    {
      name: 'a typo in a label of a selector',
      changes: [['matchLabels: { app: checkout }', 'matchLabels: { app: chekout }']],
    },
    {
      name: 'an asterisk at the end of a principal',
      changes: [['principals: [cluster.local/ns/shop/sa/orders]', 'principals: ["cluster.local/ns/shop/sa/orders*"]']],
    },
    {
      name: 'notNamespaces taken out of a DENY',
      changes: [['    - from: [{ source: { notNamespaces: [shop] } }]', '    - {}']],
    },
    { name: 'an exception deleted', changes: [removed('gateway-no-refunds', 'payments')] },
    { name: 'the default deny of a namespace dropped', changes: [removed('deny-all', 'payments')] },
    {
      name: 'a port added to a rule',
      changes: [
        ['paths: ["/market.Orders/*"], notPaths', 'paths: ["/market.Orders/*", /debug], notPaths'],
        [
          'ports: ["5432"] } }]\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: admin',
          'ports: ["5432", "5433"] } }]\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: admin',
        ],
      ],
    },
    {
      name: 'an action flipped',
      changes: [
        [
          '  action: DENY\n  rules:\n    - from: [{ source: { notPrincipals',
          '  action: ALLOW\n  rules:\n    - from: [{ source: { notPrincipals',
        ],
      ],
    },
    { name: 'a selector removed', changes: [['  selector: { matchLabels: { app: fraud } }\n', '']] },
    {
      name: 'PERMISSIVE on one port of a STRICT mesh',
      changes: [
        [
          '---\n',
          '---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: probes, namespace: payments }\nspec:\n  selector: { matchLabels: { app: ledger } }\n  mtls: { mode: STRICT }\n  portLevelMtls: { 8080: { mode: PERMISSIVE } }\n---\n',
        ],
      ],
    },
    { name: 'an office network widened', changes: [['10.20.0.0/16', '10.0.0.0/8']] },
    {
      name: 'two policies merged into one',
      changes: [
        [merged, ''],
        [
          'paths: ["/items", "/items/*"] } }]\n',
          `paths: ["/items", "/items/*"] } }]\n${merged.slice(merged.indexOf('    - from:'))}`,
        ],
      ],
    },
    {
      name: 'a condition on a header dropped',
      changes: [['      when: [{ key: "request.headers[x-change-ticket]", values: ["CHG-*"] }]\n', '']],
    },
    { name: 'a DENY on methods that reaches the databases', changes: [[', notPorts: ["5432"]', '']] },
    { name: 'a method added', changes: [['methods: [GET, HEAD, POST]', 'methods: [GET, HEAD, POST, PUT]']] },
    { name: 'a template widened', changes: [['"/carts/{*}/lines/{**}"', '"/carts/{**}"']] },
  ];
}
