/**
 * Retool's resources as YAML: connections with their base URLs and header templates.
 *
 * Retool wrote resources like this before Toolscript replaced YAML (release 3.6 and 2025 Q2); the form stays useful to
 * write by hand. Only `rest_api` and `postgresql` are modelled.
 * @module
 */
import { didYouMean } from '../../core/index.ts';
import { type DocumentEntry, type DocumentNode, invalid, jsonOf } from '../document.ts';
import { Fields } from '../fields.ts';
import type { LowCodeClient, LowCodeResource, NamedTemplate } from '../model.ts';
import { TemplateCheck } from '../templates.ts';

const TYPES = ['rest_api', 'postgresql'];
const POSTGRESQL_PORT = 5432;

/** @throws MeshError `ERR_LOWCODE_INVALID`, `ERR_EXPRESSION` */
export function readRetoolResources(document: DocumentNode, app: string): LowCodeClient {
  const root = new Fields(document, 'a Retool configuration');
  const check = new TemplateCheck('mustache');
  const resources = root.list('resources').map((node) => readResource(node, check));
  root.refuseRest();
  const names = new Set<string>();
  for (const { name, source } of resources) {
    if (names.has(name)) throw invalid(`resource \`${name}\` is declared twice`, source);
    names.add(name);
  }
  return {
    tool: 'retool',
    app,
    dialect: 'mustache',
    calls: [],
    steps: [],
    parameters: [],
    resources,
    secrets: check.secrets,
    ignored: [],
  };
}

function readResource(node: DocumentNode, check: TemplateCheck): LowCodeResource {
  const fields = new Fields(node, 'a resource');
  const name = fields.needText('name');
  const type = fields.needText('type');
  const source = fields.position;
  if (type === 'rest_api') {
    const baseUrl = fields.needText('base_url');
    check.text(baseUrl, fields.need('base_url').position);
    const headers = fields.entries('headers').map((entry) => header(entry, check));
    const unverified = booleanOf(fields, 'reject_unauthorized') === false;
    fields.refuseRest();
    return { type, name, baseUrl, headers, source, ...(unverified ? { skipsTlsVerification: true } : {}) };
  }
  if (type === 'postgresql') {
    const host = fields.needText('host');
    const port = fields.integer('port', 1, 65_535) ?? POSTGRESQL_PORT;
    const database = fields.needText('database');
    fields.refuseRest();
    return { type, name, host, port, database, source };
  }
  const hint = didYouMean(type, TYPES) || `: one of ${TYPES.join(', ')}`;
  throw invalid(`unknown type of resource \`${type}\`${hint}`, fields.need('type').position);
}

function header({ key, keyPosition, value }: DocumentEntry, check: TemplateCheck): NamedTemplate {
  if (value.kind !== 'scalar' || value.value === null) throw invalid(`header \`${key}\` must be text`, value.position);
  check.node(value);
  return { name: key, value: jsonOf(value), source: keyPosition };
}

function booleanOf(fields: Fields, name: string): boolean | undefined {
  const node = fields.get(name);
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
  throw invalid(`\`${name}\` of ${fields.what} must be true or false`, node.position);
}
