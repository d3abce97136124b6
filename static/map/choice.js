// @ts-check
// The points that are selected, ringed or under the cursor, and the messages about them to the server.

import { applySelection, selectedIndices } from './select.js';

const NONE = new Uint32Array(0);
const MOST_SENT = 4000;       // as in app/rooms/explore/map_view.py

export class Choice {
  constructor() { this.reset(null); }

  reset(set) {
    this.set = set;
    this.count = 0;
    this.focus = this.ccd = this.pointed = NONE;
  }

  // chosen : indices, or one byte per point; how : 'replace', 'add' or 'subtract'
  apply(chosen, how) { this.count = applySelection(this.set.state, chosen, how); }

  indices() { return selectedIndices(this.set.state, this.count); }

  // The message about a new selection: a step of app/map/regions.py, and also the points themselves if they are few.
  message(gesture, focus, text) {
    return { type: 'select', gesture, focus, text, ...(this.count <= MOST_SENT ? { indices: this.indices() } : {}) };
  }

  ringExposure(expnum, ccdnum) {
    this.focus = this.set.indicesOf(expnum);
    this.ccd = ccdnum ? this.set.indicesOf(expnum, ccdnum) : NONE;
  }

  ringImage(i) {
    this.focus = this.set.indicesOf(this.set.expnum[i]);
    this.ccd = Uint32Array.of(i);
  }

  // Whether the point under the cursor has changed; -1 = no point.
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

// Bits (lowest first) as one byte per point.
export function bytesOf(bits, n) {
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++) bytes[i] = bits[i >> 3] >> (i & 7) & 1;
  return bytes;
}
