// @ts-check
// The view of the map. Pan and zoom move the projected picture, so they feel the same in 2-D and in 3-D.
// Position on screen = centre + offset + scale * q (y upwards). In 2-D q = (x, y); in 3-D q is the perspective projection
// of the rotated cloud.

const EASE_MS = 70;
const MORPH_MS = 450;
const MARGIN = 28;
const HOME = tilted(-0.35, 0.55);

export class Camera {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.offset = [0, 0];
    this.scale = 1;
    this.morph = 0;                 // 0 = flat map, 1 = solid map
    this.rotation = HOME.slice();   // column-major 3x3
    this.eye = 3.6;                 // distance of the eye in map units: strength of the perspective
    this.dims = 2;
    this.half = { 2: [1, 1], 3: [1, 1, 1] };
    this.goal = { offset: [0, 0], scale: 1 };
    this.still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  }

  fitScale(dims = this.dims) {
    const [hx, hy, hz] = this.half[dims];
    const w = Math.max(40, this.width - 2 * MARGIN) / 2;
    const h = Math.max(40, this.height - 2 * MARGIN) / 2;
    if (dims === 2) return Math.min(w / hx, h / hy);
    return 0.92 * Math.min(w, h) / Math.max(hx, hy, hz);
  }

  get zoom() { return this.scale / this.fitScale(); }

  resize(width, height) {
    const zoom = this.width > 1 ? this.goal.scale / this.fitScale() : 1;
    this.width = width;
    this.height = height;
    this.goal.scale = zoom * this.fitScale();
    this.snap();
  }

  setHalf(dims, half) { this.half[dims] = half; }

  snap() {
    this.scale = this.goal.scale;
    this.offset = this.goal.offset.slice();
    this.morph = this.dims === 3 ? 1 : 0;
  }

  reset() {
    this.goal = { offset: [0, 0], scale: this.fitScale() };
    this.rotation = HOME.slice();
    if (this.still) this.snap();
  }

  setDims(dims) {
    this.dims = dims;
    this.goal = { offset: [0, 0], scale: this.fitScale() };
    if (this.still) this.snap();
  }

  zoomAt(factor, x, y) {
    const fit = this.fitScale();
    const scale = Math.min(400 * fit, Math.max(0.4 * fit, this.goal.scale * factor));
    const f = scale / this.goal.scale;
    const ax = x - this.width / 2, ay = y - this.height / 2;
    this.goal.offset = [ax + (this.goal.offset[0] - ax) * f, ay + (this.goal.offset[1] - ay) * f];
    this.goal.scale = scale;
    if (this.still) this.snap();
  }

  panBy(dx, dy) {
    for (const offset of [this.goal.offset, this.offset]) { offset[0] += dx; offset[1] += dy; }
  }

  // The drag turns the cloud about the axes of the screen.
  rotateBy(dx, dy) {
    const angle = 3.2 / Math.max(200, Math.min(this.width, this.height));
    this.rotation = orthonormal(times(tilted(dy * angle, dx * angle), this.rotation));
  }

  // Move towards the goal. Returns whether the goal is not reached yet.
  step(ms) {
    const share = 1 - Math.exp(-ms / EASE_MS);
    const span = this.goal.scale - this.scale;
    const scale = Math.abs(Math.log(this.goal.scale / this.scale)) < 0.002
      ? this.goal.scale
      : Math.exp(Math.log(this.scale) + share * Math.log(this.goal.scale / this.scale));
    // The offset is linear in the scale, so that the point under the cursor stays under it during the whole move.
    const u = Math.abs(span) > 1e-9 ? (scale - this.scale) / span : share;
    for (const k of [0, 1]) {
      const gap = this.goal.offset[k] - this.offset[k];
      this.offset[k] = Math.abs(gap) < 0.05 ? this.goal.offset[k] : this.offset[k] + u * gap;
    }
    this.scale = scale;
    const morph = this.dims === 3 ? 1 : 0;
    const way = Math.sign(morph - this.morph) * ms / MORPH_MS;
    this.morph = Math.abs(morph - this.morph) <= Math.abs(way) || this.still ? morph : this.morph + way;
    return this.moving;
  }

  get moving() {
    return this.scale !== this.goal.scale || this.offset[0] !== this.goal.offset[0]
      || this.offset[1] !== this.goal.offset[1] || this.morph !== (this.dims === 3 ? 1 : 0);
  }
}

// Rotation by `a` about the x axis of the screen and `b` about its y axis; column-major.
export function tilted(a, b) {
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
  return times([1, 0, 0, 0, ca, sa, 0, -sa, ca], [cb, 0, -sb, 0, 1, 0, sb, 0, cb]);
}

function times(p, q) {
  const out = new Array(9);
  for (let c = 0; c < 3; c++) {
    for (let r = 0; r < 3; r++) out[3 * c + r] = p[r] * q[3 * c] + p[3 + r] * q[3 * c + 1] + p[6 + r] * q[3 * c + 2];
  }
  return out;
}

function orthonormal(m) {
  const x = unit(m.slice(0, 3));
  const along = x[0] * m[3] + x[1] * m[4] + x[2] * m[5];
  const y = unit([m[3] - along * x[0], m[4] - along * x[1], m[5] - along * x[2]]);
  return [...x, ...y, x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
}

function unit(v) {
  const length = Math.hypot(...v);
  return v.map(value => value / length);
}
