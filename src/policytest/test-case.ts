/**
 * Single tests: the lists of a policy-test file multiplied out, each with an id that stays the same as long as its file,
 * name, caller, target and request do.
 * @module
 */
import { didYouMean, MeshError } from '../core/index.ts';
import type { ConfigPath, MeshConfig } from '../istio/index.ts';
import { compileMesh } from '../policy/index.ts';
import type { Caller, MeshRequest } from '../sim/index.ts';
import { TargetIndex } from '../sim/targets.ts';
import type { TestDocument } from './test-file.ts';
import type {
  CallerFile,
  ExpectationFile,
  ExpectedResult,
  MeshTestFile,
  RequestChoice,
  RequestFixture,
  TestLevel,
} from './test-schema.ts';

export interface TestCase {
  /** `file#name[from→to request]` */
  readonly id: string;
  readonly name: string;
  /** What stands in brackets in the id, for people: `from → to request`, and a number where it is there again. */
  readonly combination: string;
  /** Place in the file. */
  readonly order: number;
  readonly line: number;
  readonly column: number;
  readonly request: MeshRequest;
  readonly expect: ExpectationFile;
  readonly level: TestLevel;
  /** Why the test is left out, where it is. */
  readonly skip?: string;
  /** Index of the timeline step it belongs to. */
  readonly step?: number;
}

interface Labelled<T> {
  readonly label: string;
  readonly value: T;
}

/** Every combination of one entry of the file. */
interface Product {
  readonly path: ConfigPath;
  readonly name: string;
  readonly callers: readonly Labelled<Caller>[];
  readonly targets: readonly string[];
  readonly requests: readonly Labelled<RequestFixture>[];
  readonly level: TestLevel;
  readonly skip?: string;
  readonly step?: number;
  expect(caller: string, request: string): ExpectationFile;
}

/**
 * Multiplies the lists of a file. Faults (unknown fixtures, unknown workloads) are reported to `document`.
 * @param origin how ids name the file
 * @param config the configuration the tests run against
 */
export function testCases(document: TestDocument, origin: string, config: MeshConfig): readonly TestCase[] {
  return new Multiplication(document, origin, config).cases();
}

class Multiplication {
  readonly #document: TestDocument;
  readonly #file: MeshTestFile;
  readonly #origin: string;
  readonly #config: MeshConfig;
  readonly #workloads: ReadonlySet<string>;
  readonly #index: TargetIndex;
  readonly #taken = new Map<string, number>();

  constructor(document: TestDocument, origin: string, config: MeshConfig) {
    this.#document = document;
    this.#file = document.file;
    this.#origin = origin;
    this.#config = config;
    this.#workloads = new Set(config.workloads.map(({ namespace, name }) => `${namespace}/${name}`));
    this.#index = new TargetIndex(compileMesh(config));
  }

  cases(): readonly TestCase[] {
    const { tests = [], matrix = [], timeline = [] } = this.#file;
    return [
      ...tests.map((_, index) => this.#test(index)),
      ...matrix.map((_, index) => this.#matrix(index)),
      ...timeline.map((_, index) => this.#step(index)),
    ]
      .flatMap((product) => (product === undefined ? [] : this.#multiply(product)))
      .map((test, order) => ({ ...test, order }));
  }

  #level(own: TestLevel | undefined): TestLevel {
    return own ?? this.#file.options?.level ?? 'both';
  }

  #test(index: number): Product | undefined {
    const entry = this.#file.tests?.[index];
    if (entry === undefined) return undefined;
    const path = ['tests', index];
    const expect = this.#expectation(entry.expect, [...path, 'expect']);
    return {
      path,
      name: entry.name,
      callers: this.#callers(list(entry.from), [...path, 'from']),
      targets: this.#targets(list(entry.to), [...path, 'to']),
      requests: this.#requests(list(entry.request), [...path, 'request']),
      level: this.#level(entry.level),
      ...(entry.skip === true || entry.skipReason !== undefined ? { skip: entry.skipReason ?? 'skipped' } : {}),
      expect: () => expect,
    };
  }

  /** A closed world: whoever is not listed is refused. */
  #matrix(index: number): Product | undefined {
    const entry = this.#file.matrix?.[index];
    if (entry === undefined) return undefined;
    const path = ['matrix', index];
    const requests = this.#requests(entry.requests, [...path, 'requests']);
    const allowed = new Set<string>();
    entry.allow.forEach((allow, i) => {
      const at = [...path, 'allow', i];
      const plain = typeof allow === 'string';
      const callers = this.#callers(plain ? [allow] : list(allow.from), at);
      const names = plain ? requests.map(({ label }) => label) : allow.requests;
      for (const name of names) {
        if (!requests.some(({ label }) => label === name)) this.#unknown(at, 'request of this matrix', name, requests);
        for (const { label } of callers) allowed.add(`${label}\n${name}`);
      }
    });
    const everyone = [...this.#workloads, 'outside'].map((name) => ({ label: name, value: name }));
    const callers = entry.from === undefined ? everyone : this.#callers(entry.from, [...path, 'from']);
    for (const pair of allowed) {
      const label = pair.slice(0, pair.indexOf('\n'));
      if (!callers.some((caller) => caller.label === label))
        this.#document.fault([...path, 'allow'], `\`${label}\` is allowed but is not among the callers of this matrix`);
    }
    return {
      path,
      name: entry.name ?? `matrix ${index + 1}`,
      callers,
      targets: this.#targets(list(entry.to), [...path, 'to']),
      requests,
      level: this.#level(entry.level),
      expect: (caller, request) => ({ result: allowed.has(`${caller}\n${request}`) ? 'allow' : 'refused' }),
    };
  }

  #step(index: number): Product | undefined {
    const entry = this.#file.timeline?.[index];
    if (entry === undefined) return undefined;
    const path = ['timeline', index];
    const expected = entry.expectAll ?? entry.expect;
    const { from, to } = entry;
    if (expected === undefined && from === undefined && to === undefined) return undefined;
    if (expected === undefined || from === undefined || to === undefined) {
      this.#document.fault(path, 'a step that asks something needs `from`, `to` and `expect` or `expectAll`');
      return undefined;
    }
    const expect = this.#expectation(expected, [...path, entry.expectAll === undefined ? 'expect' : 'expectAll']);
    return {
      path,
      name: `timeline ${entry.at}${entry.note === undefined ? '' : ` ${entry.note}`}`,
      callers: this.#callers(list(from), [...path, 'from']),
      targets: this.#targets(list(to), [...path, 'to']),
      requests: this.#requests(list(entry.request), [...path, 'request']),
      level: this.#level(undefined),
      step: index,
      expect: () => expect,
    };
  }

  #multiply(product: Product): readonly Omit<TestCase, 'order'>[] {
    const { line, column } = this.#document.position(product.path);
    const { name, level, skip, step } = product;
    return product.callers.flatMap((caller) =>
      product.targets.flatMap((to) =>
        product.requests.map((request) => ({
          ...this.#identity(name, caller.label, `${to} ${request.label}`),
          name,
          line,
          column,
          request: { ...meshRequest(request.value), from: caller.value, to },
          expect: product.expect(caller.label, request.label),
          level,
          ...(skip === undefined ? {} : { skip }),
          ...(step === undefined ? {} : { step }),
        })),
      ),
    );
  }

  /** The same combination twice gets a number. */
  #identity(name: string, caller: string, what: string): Pick<TestCase, 'id' | 'combination'> {
    const id = `${this.#origin}#${name}[${caller}→${what}]`;
    const count = (this.#taken.get(id) ?? 0) + 1;
    this.#taken.set(id, count);
    const combination = `${caller} → ${what}`;
    return count === 1 ? { id, combination } : { id: `${id}#${count}`, combination: `${combination} #${count}` };
  }

  /** @param within the names of `fixtures.callers` that are being looked up */
  #callers(
    callers: readonly CallerFile[],
    path: ConfigPath,
    within: readonly string[] = [],
  ): readonly Labelled<Caller>[] {
    return callers.flatMap((caller, index) => {
      const at = callers.length === 1 ? path : [...path, index];
      if (typeof caller !== 'string') return [this.#certified(caller, at)];
      const named = this.#file.fixtures?.callers;
      if (named !== undefined && Object.hasOwn(named, caller) && !within.includes(caller)) {
        return this.#callers(list(named[caller]), ['fixtures', 'callers', caller], [...within, caller]);
      }
      if (within.includes(caller) && !this.#workloads.has(caller)) {
        this.#document.fault(at, `\`${caller}\` is among its own members: ${[...within, caller].join(' → ')}`);
        return [];
      }
      if (caller !== 'outside' && !this.#workloads.has(caller)) {
        const known = [...this.#workloads, 'outside', ...Object.keys(named ?? {})].map((label) => ({ label }));
        this.#unknown(at, 'workload', caller, known);
      }
      return [{ label: caller, value: caller }];
    });
  }

  #certified(
    { ns, sa, trustDomain, workload, cert = 'mesh' }: Exclude<CallerFile, string>,
    path: ConfigPath,
  ): Labelled<Caller> {
    if ((ns === undefined) !== (sa === undefined)) this.#document.fault(path, '`ns` and `sa` go together');
    if (workload !== undefined && !this.#workloads.has(workload))
      this.#unknown(
        [...path, 'workload'],
        'workload',
        workload,
        [...this.#workloads].map((label) => ({ label })),
      );
    const certificate = cert;
    const domain = trustDomain ?? this.#config.settings.trustDomain;
    if (ns === undefined || sa === undefined) {
      const value = { certificate, ...(workload === undefined ? {} : { workload }) };
      return { label: `${workload ?? 'outside'}+${cert}`, value };
    }
    const label = `${trustDomain === undefined ? '' : `${trustDomain}/`}${ns}/${sa}+${cert}`;
    return { label, value: { certificate, spiffeId: `spiffe://${domain}/ns/${ns}/sa/${sa}` } };
  }

  #targets(targets: readonly string[], path: ConfigPath): readonly string[] {
    targets.forEach((target, index) => {
      try {
        this.#index.resolve(target, 'default');
      } catch (error) {
        if (!(error instanceof MeshError)) throw error;
        const at = targets.length === 1 ? path : [...path, index];
        this.#document.fault(at, this.#serviceHint(target) ?? error.message);
      }
    });
    return targets;
  }

  /** A Service is no workload, and yet is what people write first. */
  #serviceHint(target: string): string | undefined {
    const [, namespace = '', name = '', port = ''] = /^([^/:]+)\/([^/:]+)(:\d+)?$/.exec(target) ?? [];
    const service = this.#config.services.find((each) => each.namespace === namespace && each.name === name);
    if (service === undefined || this.#workloads.has(`${namespace}/${name}`)) return undefined;
    const host = `${name}.${namespace}${port}`;
    return `\`${target}\` is a Service, not a workload: write its host, \`${host}\`, or the workload behind it`;
  }

  #requests(choices: readonly RequestChoice[], path: ConfigPath): readonly Labelled<RequestFixture>[] {
    const fixtures = this.#file.fixtures?.requests ?? {};
    if (choices.length === 0) return [{ label: 'GET /', value: {} }];
    return choices.map((choice, index) => {
      if (typeof choice !== 'string') return { label: requestLabel(choice), value: choice };
      const fixture = Object.hasOwn(fixtures, choice) ? fixtures[choice] : undefined;
      const inline = /^([A-Z]+) (\/.*)$/.exec(choice);
      if (fixture === undefined && inline !== null)
        return { label: choice, value: { method: inline[1], path: inline[2] } };
      if (fixture === undefined) {
        const known = Object.keys(fixtures).map((label) => ({ label }));
        this.#unknown(choices.length === 1 ? path : [...path, index], 'request in `fixtures.requests`', choice, known);
      }
      return { label: choice, value: fixture ?? {} };
    });
  }

  #expectation(expect: ExpectedResult | ExpectationFile, path: ConfigPath): ExpectationFile {
    if (typeof expect === 'string') return { result: expect };
    if (expect.result === 'allow' && expect.appBytesSeen !== undefined)
      this.#document.fault(
        [...path, 'appBytesSeen'],
        'says what of a refused request got through; `result` is `allow`',
      );
    return expect;
  }

  #unknown(path: ConfigPath, what: string, name: string, known: readonly { readonly label: string }[]): void {
    const labels = known.map(({ label }) => label);
    this.#document.fault(path, `no ${what} \`${name}\`${didYouMean(name, labels)}`);
  }
}

export function list<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return isList(value) ? value : [value];
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function requestLabel({ method = 'GET', path = '/', host, headers }: RequestFixture): string {
  const extra = [
    ...(host === undefined ? [] : [`host=${host}`]),
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}=${value}`),
  ];
  return [`${method} ${path}`, ...extra].join(' ');
}

function meshRequest({ method, path, host, headers, body }: RequestFixture): Omit<MeshRequest, 'from' | 'to'> {
  return {
    ...(method === undefined ? {} : { method }),
    ...(path === undefined ? {} : { path }),
    ...(host === undefined ? {} : { host }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  };
}
