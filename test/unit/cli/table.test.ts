import { describe, expect, it } from 'vitest';
import { renderTable } from '../../../src/cli/render/table.ts';

describe('a table', () => {
  it('pads every column to its widest cell and leaves no blanks at line ends', () => {
    expect(renderTable(['NAME', 'MODE', 'AGE'], [['default', 'STRICT', '5d'], ['x', '', '<unknown>'], ['y']])).toBe(
      ['NAME      MODE     AGE', 'default   STRICT   5d', 'x                  <unknown>', 'y', ''].join('\n'),
    );
  });

  it('takes another padding, and prints headers alone', () => {
    expect(renderTable(['A', 'B'], [['1', '2']], { padding: 5 })).toBe('A     B\n1     2\n');
    expect(renderTable(['A', 'B'], [])).toBe('A   B\n');
  });

  it('keeps a cell on its line and counts code points', () => {
    expect(renderTable(['A', 'B'], [['x\n  y', 'z']])).toBe('A     B\nx y   z\n');
    expect(renderTable(['A', 'B'], [['🔒', 'z']])).toBe('A   B\n🔒   z\n');
  });
});
