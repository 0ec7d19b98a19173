/**
 * Colour for people at a terminal; `NO_COLOR`, `FORCE_COLOR` and pipes are honoured.
 * @module
 */
import { styleText } from 'node:util';
import type { Paint, TextRole } from '../../telemetry/index.ts';

const STYLES: Readonly<Record<TextRole, Parameters<typeof styleText>[0]>> = {
  heading: 'bold',
  ok: 'green',
  warn: 'yellow',
  crit: 'red',
  mtls: 'green',
  plain: 'yellow',
};

/** Paints for a stream, or nothing where it shows no colour. */
export function paintFor(stream: NodeJS.WriteStream): Paint | undefined {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const wanted = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0';
  if (!wanted && ((NO_COLOR !== undefined && NO_COLOR !== '') || !stream.isTTY)) return undefined;
  return (role, text) => styleText(STYLES[role], text);
}
