// What is selected, ringed and pointed at on the map, and how it is told to the server.

import { applySelection, selectedIndices } from './select.js';

const NONE = new Uint32Array(0);

export class Choice {
  constructor() { this.reset(null); }

  reset(set) {
    this.set = set;
    this.count = 0;
    this.focus = this.ccd = this.pointed = NONE;
  }

  // how: 'replace', 'add' or 'subtract'
  apply(indices, how) { this.count = applySelection(this.set.state, indices, how); }

  indices() { return selectedIndices(this.set.state, this.count); }

  // The message that tells the whole selection: a list, or one bit for each point once that is shorter.
  message(gesture, focus) {
    const long = 32 * this.count > this.set.n + 4096;
    return { type: 'select', gesture, focus, ...(long ? { bits: bitsOf(this.set.state) } : { indices: this.indices() }) };
  }

  ringExposure(expnum, ccdnum) {
    this.focus = this.set.indicesOf(expnum);
    this.ccd = ccdnum ? this.set.indicesOf(expnum, ccdnum) : NONE;
  }

  ringImage(i) {
    this.focus = this.set.indicesOf(this.set.expnum[i]);
    this.ccd = Uint32Array.of(i);
  }

  // Whether another point than before is under the cursor; -1 = none.
  point(i) {
    const before = this.pointed.length ? this.pointed[0] : -1;
    this.pointed = i < 0 ? NONE : Uint32Array.of(i);
    return before !== i;
  }

  rings() {
    return [
      { indices: this.focus, width: 1.2, alpha: 0.5 },
      { indices: this.ccd, width: 2.6, alpha: 1 },
      { indices: this.pointed, width: 1.6, alpha: 1 },
    ];
  }
}

// Lowest bit first.
function bitsOf(state) {
  const bits = new Uint8Array(Math.ceil(state.length / 8));
  for (let i = 0; i < state.length; i++) if (state[i] & 1) bits[i >> 3] |= 1 << (i & 7);
  return bits;
}
