/**
 * Random mutations of DER at one random element, whatever it is: lengths that are not minimal or not definite, tags of
 * other types, elements lost, doubled, swapped or grown, numbers and times written in other ways. Extension values and
 * key bits are entered as well. What comes out is well-formed at every other place, since lengths are written afresh.
 */
import type { Rng } from '../../src/core/index.ts';
import type { Bytes } from './x509-maker.ts';

interface Node {
  tag: number;
  /** Children of constructed elements, and of what is wrapped in an OCTET STRING or BIT STRING. */
  children?: Node[];
  /** The leading octet of a BIT STRING that holds an element. */
  lead?: Bytes;
  content: Bytes;
  /** How the length is written. @defaultValue minimal */
  length?: 'long' | 'indefinite';
  /** Octets behind the element. */
  tail?: Bytes;
}

/** Reads one element at `at`; nothing if there is none. */
function read(bytes: Bytes, at: number): { readonly node: Node; readonly end: number } | undefined {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  const size = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || size > 3) return undefined;
  let length = first;
  if (size > 0) {
    length = 0;
    for (let i = 0; i < size; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
  }
  const start = at + 2 + size;
  const end = start + length;
  if (end > bytes.length) return undefined;
  const content = bytes.subarray(start, end);
  return { node: { tag, content, ...insideOf(tag, content) }, end };
}

function insideOf(tag: number, content: Bytes): Pick<Node, 'children' | 'lead'> {
  if ((tag & 0x20) !== 0) {
    const children = readAll(content);
    return children === undefined ? {} : { children };
  }
  if (tag === 0x04 || tag === 0x03) {
    const lead = content.subarray(0, tag === 0x03 ? 1 : 0);
    const children = readAll(content.subarray(lead.length));
    return children?.length === 1 ? { children, lead } : {};
  }
  return {};
}

function readAll(bytes: Bytes): Node[] | undefined {
  const nodes: Node[] = [];
  for (let at = 0; at < bytes.length;) {
    const found = read(bytes, at);
    if (found === undefined) return undefined;
    nodes.push(found.node);
    at = found.end;
  }
  return nodes;
}

function write(node: Node): Bytes {
  const inside = node.children
    ? Buffer.concat([node.lead ?? Buffer.alloc(0), ...node.children.map(write)])
    : node.content;
  const tail = node.tail ?? Buffer.alloc(0);
  if (node.length === 'indefinite')
    return Buffer.concat([Buffer.from([node.tag, 0x80]), inside, Buffer.alloc(2), tail]);
  const { length } = inside;
  const minimal = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
  const size = node.length === 'long' ? minimal + 1 : minimal;
  const octets = Array.from({ length: size }, (_, i) => (length >>> (8 * (size - 1 - i))) & 0xff);
  return Buffer.concat([
    Buffer.from(size === 0 ? [node.tag, length] : [node.tag, 0x80 | size, ...octets]),
    inside,
    tail,
  ]);
}

function* walk(node: Node): Generator<Node> {
  yield node;
  for (const child of node.children ?? []) yield* walk(child);
}

/** Names of mutations, for tallies. */
export type DerMutation =
  | 'length'
  | 'indefinite'
  | 'tail'
  | 'tag'
  | 'lose'
  | 'double'
  | 'swap'
  | 'grow'
  | 'shrink'
  | 'value'
  | 'time'
  | 'number';

const TIMES = [
  '2601010000Z',
  '260101000000+0000',
  '260101000000.5Z',
  '260101000000',
  '20260101000000Z',
  '20260101000000.0Z',
  '202601010000Z',
  '260100000000Z',
  '251231240000Z',
  '500101000000Z',
];
const NUMBERS = ['', '00', '80', 'ff', '0001', '00ff', 'ffff', '7f', '00'.repeat(2) + '01', '7f' + 'ff'.repeat(20)];
const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x0a, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x24, 0x80, 0xa0,
];

function childrenOf(node: Node): Node[] {
  return node.children ?? [];
}

/** Changes one element of `der`, and says how. */
export function mutateDer(rng: Rng, der: Bytes): { readonly der: Bytes; readonly mutation: DerMutation } {
  const root = read(der, 0)?.node;
  if (root === undefined) throw new Error('no DER to mutate');
  const nodes = [...walk(root)];
  const parents = nodes.filter((node) => childrenOf(node).length > 0);
  const numbers = nodes.filter(({ tag }) => tag === 0x02);
  const times = nodes.filter(({ tag }) => tag === 0x17 || tag === 0x18);
  const mutation = rng.pick<DerMutation>([
    'length',
    'indefinite',
    'tail',
    'tag',
    'lose',
    'double',
    'swap',
    'grow',
    'shrink',
    'value',
    'time',
    'number',
  ]);
  const node = rng.pick(nodes);
  const parent = parents.length > 0 ? rng.pick(parents) : root;
  const children = childrenOf(parent);
  const at = rng.integer(0, children.length - 1);
  switch (mutation) {
    case 'length':
      node.length = 'long';
      break;
    case 'indefinite':
      (rng.chance(0.8) ? parent : node).length = 'indefinite';
      break;
    case 'tail':
      node.tail = rng.pick([Buffer.from([0, 0]), Buffer.from([5, 0]), Buffer.from([0]), Buffer.from(rng.bytes(3))]);
      break;
    case 'tag':
      node.tag = rng.chance(0.3) ? node.tag ^ 0x20 : rng.pick(TAGS);
      break;
    case 'lose':
      children.splice(at, 1);
      break;
    case 'double': {
      const [child] = children.slice(at, at + 1);
      if (child) children.splice(at, 0, child);
      break;
    }
    case 'swap':
      children.push(...children.splice(at, 1));
      break;
    case 'grow':
      replace(node, Buffer.concat([rng.bytes(rng.integer(1, 3)), contentOf(node)]));
      break;
    case 'shrink':
      replace(node, contentOf(node).subarray(rng.integer(0, 1), -1));
      break;
    case 'value': {
      const content = Uint8Array.from(contentOf(node));
      if (content.length > 0) content[rng.integer(0, content.length - 1)] = rng.pick([0x00, 0x01, 0x7f, 0x80, 0xff]);
      replace(node, content);
      break;
    }
    case 'time':
      replace(times.length > 0 ? rng.pick(times) : node, Buffer.from(rng.pick(TIMES)));
      break;
    case 'number':
      replace(numbers.length > 0 ? rng.pick(numbers) : node, Buffer.from(rng.pick(NUMBERS), 'hex'));
      break;
    default:
      mutation satisfies never;
  }
  return { der: write(root), mutation };
}

function contentOf(node: Node): Bytes {
  return node.children ? Buffer.concat([node.lead ?? Buffer.alloc(0), ...node.children.map(write)]) : node.content;
}

function replace(node: Node, content: Bytes): void {
  delete node.children;
  node.content = content;
}
