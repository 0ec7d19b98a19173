/**
 * z3 as a function from a script to an answer.
 */

export type Answer = 'sat' | 'unsat' | 'unknown';

export interface Solver {
  check(script: string): Promise<Answer>;
  close(): void;
}

const TIMEOUT_MS = 2000;

/** `Z3_lbool` */
const ANSWERS: ReadonlyMap<number, Answer> = new Map([
  [1, 'sat'],
  [-1, 'unsat'],
]);

/** The solver, or why there is none. */
export async function loadSolver(): Promise<Solver | string> {
  try {
    const { init } = await import('z3-solver');
    const { Z3, em } = await init();
    const context = Z3.mk_context(Z3.mk_config());
    return {
      // The text goes in synchronously: an asynchronous call would read it after its memory has been given back.
      check: async (script) => {
        const session = Z3.mk_solver(context);
        Z3.solver_inc_ref(context, session);
        const params = Z3.mk_params(context);
        Z3.params_inc_ref(context, params);
        Z3.params_set_uint(context, params, Z3.mk_string_symbol(context, 'timeout'), TIMEOUT_MS);
        Z3.solver_set_params(context, session, params);
        Z3.solver_from_string(context, session, script);
        const answer = await Z3.solver_check(context, session);
        Z3.solver_dec_ref(context, session);
        return ANSWERS.get(answer) ?? 'unknown';
      },
      close: () => em.PThread.terminateAllThreads(),
    };
  } catch (error) {
    if (process.env['MESHPROOF_REQUIRE_TOOLS']) throw error;
    return `z3-solver cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
}
