// @ts-check
// The points of one survey: positions as they were sent, ids, colour codes and states. All have the same index.

import { ccdnumOf, expnumOf, imageIdOf } from '../basics/image_ids.js';

export const UNIT = 32500;        // uint16 0..65000 <-> -1..1
const NOWHERE = 65535;            // coordinate of a point that is not on this map

export class PointSet {
  // meta: {n, flat: {url, half: [x, y]} | null, solid: {url, half: [x, y, z]} | null, ids: url, ccdnames: {number: name}}
  constructor(meta) {
    this.meta = meta;
    this.n = meta.n;
    this.flat = null;             // Uint16Array (2n): x, y
    this.solid = null;            // Uint16Array (3n): x, y, z
    this.arrived = { 2: 0, 3: 0 };
    this.loading = {};
    this.expnum = null;           // Uint32Array (n)
    this.ccdnum = null;           // Uint8Array (n)
    this.codes = new Uint8Array(0);        // the codes of the page's colours, not a copy
    this.coloured = 0;                     // how many codes have arrived
    this.state = new Uint8Array(this.n);   // bit 0: selected
    this.controller = new AbortController();
  }

  has(dims) { return Boolean(dims === 3 ? this.meta.solid : this.meta.flat); }

  half(dims) { return (dims === 3 ? this.meta.solid : this.meta.flat)?.half || [1, 1, 1]; }

  // Fetch positions. `arrived(from, to)` is called for every piece, so that a long map can be drawn while it arrives.
  load(dims, arrived) {
    if (!this.loading[dims]) {
      this.loading[dims] = this._stream(dims, arrived);
      this.loading[dims].catch(() => { this.loading[dims] = null; });
    }
    return this.loading[dims];
  }

  async _stream(dims, arrived) {
    const source = dims === 3 ? this.meta.solid : this.meta.flat;
    const answer = await fetch(source.url, { credentials: 'same-origin', signal: this.controller.signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const bytes = new Uint8Array(2 * dims * this.n);
    const values = new Uint16Array(bytes.buffer);
    if (dims === 3) this.solid = values; else this.flat = values;
    let filled = 0;
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > bytes.length) throw new Error('more points than expected');
      bytes.set(value, filled);
      filled += value.length;
      const from = this.arrived[dims];
      this.arrived[dims] = Math.floor(filled / (2 * dims));
      arrived(from, this.arrived[dims]);
    }
    if (filled < bytes.length) throw new Error(`${this.arrived[dims]} of ${this.n} points arrived`);
  }

  async loadIds() {
    const answer = await fetch(this.meta.ids, { credentials: 'same-origin', signal: this.controller.signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const bytes = new Uint8Array(5 * this.n);
    let filled = 0;
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes.set(value, filled);
      filled += value.length;
    }
    if (filled < bytes.length) throw new Error('the answer is cut off');
    this.expnum = new Uint32Array(bytes.buffer, 0, this.n);
    this.ccdnum = new Uint8Array(bytes.buffer, 4 * this.n, this.n);
  }

  // Number of points, from the first on, that can be drawn and picked now.
  drawable(camera) {
    return Math.min(camera.morph < 1 ? this.arrived[2] : Infinity, camera.morph > 0 ? this.arrived[3] : Infinity, this.coloured || Infinity);
  }

  close() { this.controller.abort(); }

  name(i) {
    if (!this.expnum) return '';
    return `${this.expnum[i]}-${this.meta.ccdnames[this.ccdnum[i]] || this.ccdnum[i]}`;
  }

  imageId(i) { return this.expnum ? imageIdOf(this.expnum[i], this.ccdnum[i]) : -1; }

  indicesOf(expnum, ccdnum = 0) {
    const found = [];
    if (!this.expnum || expnum < 0) return new Uint32Array(0);
    for (let i = 0; i < this.n; i++) {
      if (this.expnum[i] === expnum && (!ccdnum || this.ccdnum[i] === ccdnum)) found.push(i);
    }
    return Uint32Array.from(found);
  }

  indexOf(imageId) {
    const found = this.indicesOf(expnumOf(imageId), ccdnumOf(imageId));
    return found.length ? found[0] : -1;
  }

  // Positions of points from..to on the screen (CSS pixels): out[3k] = x, out[3k+1] = y, out[3k+2] = nearness (-1..1; NaN
  // for a point that is not on the map).
  project(camera, from, to, out) {
    const { flat, solid } = this;
    const { scale, morph } = camera;
    const cx = camera.width / 2 + camera.offset[0];
    const cy = camera.height / 2 + camera.offset[1];
    const r = camera.rotation;
    const eye = camera.eye;
    const arrived2 = morph < 1 ? this.arrived[2] : Infinity;
    const arrived3 = morph > 0 ? this.arrived[3] : Infinity;
    for (let i = from, k = 0; i < to; i++, k += 3) {
      let x = 0, y = 0, z = 0;
      if (i >= arrived2 || i >= arrived3) { out[k + 2] = NaN; continue; }
      if (morph > 0) {
        const a = solid[3 * i], b = solid[3 * i + 1], c = solid[3 * i + 2];
        if (a === NOWHERE) { out[k + 2] = NaN; continue; }
        const sx = a / UNIT - 1, sy = b / UNIT - 1, sz = c / UNIT - 1;
        z = r[2] * sx + r[5] * sy + r[8] * sz;
        const near = eye / (eye - z);
        x = (r[0] * sx + r[3] * sy + r[6] * sz) * near;
        y = (r[1] * sx + r[4] * sy + r[7] * sz) * near;
      }
      if (morph < 1) {
        const a = flat[2 * i];
        if (a === NOWHERE) { out[k + 2] = NaN; continue; }
        x = x * morph + (a / UNIT - 1) * (1 - morph);
        y = y * morph + (flat[2 * i + 1] / UNIT - 1) * (1 - morph);
        z *= morph;
      }
      out[k] = cx + scale * x;
      out[k + 1] = cy - scale * y;
      out[k + 2] = z;
    }
  }
}
