/**
 * Programs that tests ask as independent oracles. Where one is missing the test is skipped, unless
 * `MESHPROOF_REQUIRE_TOOLS` is set.
 */
import { spawnSync } from 'node:child_process';

export function hasTool(command: string, ...args: readonly string[]): boolean {
  const found = spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (!found && process.env['MESHPROOF_REQUIRE_TOOLS']) throw new Error(`${command} is required and not installed`);
  return found;
}
