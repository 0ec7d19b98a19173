/**
 * Policies and requests that every contender can express: callers, methods, path prefixes.
 * @module
 */
export interface SimpleRule {
  readonly account: string;
  readonly methods: readonly string[];
  /** Ending in an asterisk. */
  readonly paths: readonly string[];
}

export interface SimpleRequest {
  readonly account: string;
  readonly method: string;
  readonly path: string;
}

export interface World {
  readonly name: string;
  /** Denied whatever else allows it. */
  readonly deny: readonly SimpleRule[];
  /** Policies of rules, each of which allows. */
  readonly allow: readonly (readonly SimpleRule[])[];
  readonly requests: readonly SimpleRequest[];
}

/** The policies of the brief, word for word, and its five callers. */
export const BRIEF: World = {
  name: "the brief's policies",
  deny: [],
  allow: [
    [
      { account: 'frontend', methods: ['GET', 'POST'], paths: ['/api/*'] },
      { account: 'admin-service', methods: ['GET', 'POST', 'PUT', 'DELETE'], paths: ['/api/admin/*'] },
    ],
    [{ account: 'retool', methods: ['GET', 'POST'], paths: ['/api/v1/users/*', '/api/v1/orders/*'] }],
  ],
  requests: [
    { account: 'frontend', method: 'GET', path: '/api/users' },
    { account: 'admin-service', method: 'DELETE', path: '/api/admin/users/7' },
    { account: 'retool', method: 'POST', path: '/api/v1/orders/9' },
    { account: 'frontend', method: 'PUT', path: '/api/users' },
    { account: 'retool', method: 'GET', path: '/api/admin/users' },
  ],
};

const REQUESTS = 64;
/** Prime, to visit rules in no order that a cache could like. */
const STRIDE = 7919;

export const QUESTIONS = ['hit', 'miss', 'deny-last'] as const;
export type Question = (typeof QUESTIONS)[number];

/**
 * `hit`: one of `rules` rules allows; `miss`: none does; `deny-last`: everything is allowed, and the last of `rules`
 * rules that deny applies.
 */
export function worldOf(rules: number, question: Question): World {
  const list = Array.from({ length: rules }, (_, i) => ruleFor(`caller-${i}`, i));
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const rule = question === 'deny-last' ? rules - 1 : (i * STRIDE) % rules;
    return {
      account: question === 'miss' ? `nobody-${i}` : `caller-${rule}`,
      method: 'GET',
      path: `/api/${rule}/items`,
    };
  });
  const name = `${rules} rules, ${question}`;
  if (question !== 'deny-last') return { name, deny: [], allow: [list], requests };
  return {
    name,
    deny: list,
    allow: [[{ account: `caller-${rules - 1}`, methods: ['GET'], paths: ['/api/*'] }]],
    requests,
  };
}

function ruleFor(account: string, path: number): SimpleRule {
  return { account, methods: ['GET'], paths: [`/api/${path}/*`] };
}
