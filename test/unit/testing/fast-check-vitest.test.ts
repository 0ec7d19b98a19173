/** The kit's arbitraries and matchers inside `test.prop` of @fast-check/vitest. */
import { test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { Mesh } from '../../../src/mesh/index.ts';
import { propertyParameters, world } from '../../../src/testing/index.ts';
import '../../../src/testing/vitest.ts';

describe('@fast-check/vitest', () => {
  test.prop([world({ maxPolicies: 0, modes: [], bareWorkloads: false })], propertyParameters(10))(
    'a mesh without policies lets everybody in',
    async ({ config, requests }) => {
      await using mesh = await Mesh.start({ config });
      for (const request of requests) if (typeof request.from === 'string') expect(mesh).toAllow(request);
    },
  );
});
