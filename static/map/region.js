// @ts-check
// Selections as short text, in the format of app/map/regions.py, which finds the same points on the server. An outline is
// stored in integers on the projected map, so that a lasso around a million points fits into an address.

import { UNIT } from './points.js';

const ROTATION_UNIT = 32767;
const FINEST = 24;
const TOLERANCE_PX = 0.5;     // vertices within this distance of a straight line are left out
const ROWS = 512;
const CELLS = 192;

// The region on the map of a lasso or box on the screen: {dims, k, outline: Float64Array of x, y, ..., rotation, rows}
export function regionOf(camera, polygon) {
  const dims = camera.dims;
  const k = Math.min(FINEST, Math.max(0, Math.ceil(Math.log2(4 * camera.scale))));
  const unit = 2 ** k;
  const cx = camera.width / 2 + camera.offset[0], cy = camera.height / 2 + camera.offset[1];
  const corners = simplified(polygon).map(([x, y]) => [Math.round((x - cx) / camera.scale * unit), Math.round((cy - y) / camera.scale * unit)]);
  const rotation = dims === 3 ? Int16Array.from(camera.rotation, value => Math.round(Math.max(-1, Math.min(1, value)) * ROTATION_UNIT)) : null;
  return { dims, k, unit, eye: camera.eye, corners, rotation, turned: rotation && Float64Array.from(rotation, value => value / ROTATION_UNIT), ...edgesOf(corners) };
}

// Text of one step. how : 'replace', 'add' or 'subtract'; only : {colourBy, labels} or null
export function textOfRegion(region, how, only) {
  const deltas = region.corners.flatMap(([x, y], i) => (i ? [x - region.corners[i - 1][0], y - region.corners[i - 1][1]] : [x, y]));
  const rotation = region.rotation ? `.${base64(new Uint8Array(region.rotation.buffer))}` : '';
  return `${how[0]}.${region.dims}.${region.k}.${varints(deltas)}${rotation}${filterOf(only)}`;
}

export function textOfImages(imageIds, how) {
  let last = 0;
  return `${how[0]}.i.${varints([...imageIds].map(id => { const delta = id - last; last = id; return delta; }))}`;
}

function filterOf(only) {
  if (!only?.labels.length) return '';
  const quoted = text => encodeURIComponent(text).replaceAll('.', '%2E');
  return `.f.${quoted(`${only.colourBy}:${only.labels.map(quoted).join('|')}`)}`;
}

function varints(values) {
  const out = [];
  for (const value of values) {
    let rest = value >= 0 ? 2 * value : -2 * value - 1;
    while (rest > 127) { out.push(rest % 128 + 128); rest = Math.floor(rest / 128); }
    out.push(rest);
  }
  return base64(Uint8Array.from(out));
}

function base64(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

// Douglas and Peucker: the fewest vertices that stay within the tolerance.
function simplified(points) {
  if (points.length <= 4) return points;
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    const [ax, ay] = points[from], [bx, by] = points[to];
    const length = Math.hypot(bx - ax, by - ay);
    let farthest = -1, most = TOLERANCE_PX;
    for (let i = from + 1; i < to; i++) {
      const [x, y] = points[i];
      const off = length < 1e-9 ? Math.hypot(x - ax, y - ay) : Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length;
      if (off > most) { most = off; farthest = i; }
    }
    if (farthest < 0) continue;
    keep[farthest] = 1;
    open.push([from, farthest], [farthest, to]);
  }
  return points.filter((_, i) => keep[i]);
}

// The edges of the outline by row, so that a point is compared only with the few edges of its own row.
function edgesOf(corners) {
  const xs = corners.map(one => one[0]), ys = corners.map(one => one[1]);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const tall = Math.max(1, high - low) / ROWS;
  const lists = Array.from({ length: ROWS + 1 }, () => []);
  corners.forEach(([ax, ay], i) => {
    const [bx, by] = corners[(i + 1) % corners.length];
    if (ay === by) return;
    const last = Math.floor((Math.max(ay, by) - low) / tall);
    for (let row = Math.floor((Math.min(ay, by) - low) / tall); row <= last; row++) lists[row].push(ax, ay, bx, by);
  });
  const region = { left, right, low, high, tall, rows: lists.map(list => Float64Array.from(list)) };
  return { ...region, ...cellsOf(region, corners) };
}

// Cells of the outline's box: 0 = outside, 1 = inside, 2 = an edge may pass, so each point must be tested.
function cellsOf(region, corners) {
  const { left, right, low, high } = region;
  const wide = Math.max(1, right - left) / CELLS, deep = Math.max(1, high - low) / CELLS;
  const cells = new Uint8Array((CELLS + 1) * (CELLS + 1));
  const column = x => Math.min(CELLS, Math.max(0, Math.floor((x - left) / wide)));
  corners.forEach(([ax, ay], i) => {
    const [bx, by] = corners[(i + 1) % corners.length];
    const first = Math.max(0, Math.floor((Math.min(ay, by) - low) / deep) - 1), last = Math.min(CELLS, Math.floor((Math.max(ay, by) - low) / deep) + 1);
    for (let row = first; row <= last; row++) {
      // the cells of this row that the edge can reach, and their neighbours
      const at = y => (ay === by ? null : ax + (bx - ax) * Math.min(1, Math.max(0, (y - ay) / (by - ay))));
      const ends = ay === by ? [ax, bx] : [at(low + (row - 1) * deep), at(low + (row + 2) * deep)];
      cells.fill(2, row * (CELLS + 1) + Math.max(0, column(Math.min(...ends)) - 1), row * (CELLS + 1) + Math.min(CELLS, column(Math.max(...ends)) + 1) + 1);
    }
  });
  for (let row = 0; row <= CELLS; row++) {
    for (let k = 0; k <= CELLS; k++) {
      const cell = row * (CELLS + 1) + k;
      if (cells[cell] !== 2 && crossed(region, left + (k + 0.5) * wide, low + (row + 0.5) * deep)) cells[cell] = 1;
    }
  }
  return { cells, wide, deep };
}

// Whether a position on the projected map, in the region's units, lies inside, by the even-odd rule.
export function contains(region, x, y) {
  if (!(x >= region.left && x <= region.right && y >= region.low && y <= region.high)) return false;
  const cell = region.cells[Math.floor((y - region.low) / region.deep) * (CELLS + 1) + Math.floor((x - region.left) / region.wide)];
  return cell === 2 ? crossed(region, x, y) : cell === 1;
}

// Whether a ray from (x, y) to the right crosses an odd number of edges.
function crossed(region, x, y) {
  if (!(y >= region.low && y <= region.high)) return false;
  const edges = region.rows[Math.floor((y - region.low) / region.tall)];
  let odd = false;
  for (let k = 0; k < edges.length; k += 4) {
    const ay = edges[k + 1], by = edges[k + 3];
    if ((ay > y) !== (by > y) && x < edges[k] + (edges[k + 2] - edges[k]) * (y - ay) / (by - ay)) odd = !odd;
  }
  return odd;
}

// Marks in `taken` (one byte per point) the points from..to that lie inside, and returns their number. `shown` (256 bytes)
// says which codes count.
export function takeInside(set, region, shown, from, to, taken) {
  const { codes } = set;
  const { unit, left, right, low, high } = region;
  let count = 0;
  if (region.dims === 2) {
    const { flat } = set;
    // the same comparison in the integers as they were sent: for most points two comparisons are enough
    const least = Math.floor((left / unit + 1) * UNIT) - 1, most = Math.ceil((right / unit + 1) * UNIT) + 1;
    const bottom = Math.floor((low / unit + 1) * UNIT) - 1, top = Math.ceil((high / unit + 1) * UNIT) + 1;
    for (let i = from; i < to; i++) {
      const a = flat[2 * i], b = flat[2 * i + 1];
      if (a < least || a > most || b < bottom || b > top || a === 65535 || !shown[codes[i]]) continue;
      if (contains(region, (a / UNIT - 1) * unit, (b / UNIT - 1) * unit)) { taken[i] = 1; count++; }
    }
    return count;
  }
  const { solid } = set;
  const r = region.turned, eye = region.eye;
  const [r0, r1, r2, r3, r4, r5, r6, r7, r8] = r;
  for (let i = from; i < to; i++) {
    const a = solid[3 * i];
    if (a === 65535 || !shown[codes[i]]) continue;
    const sx = a / UNIT - 1, sy = solid[3 * i + 1] / UNIT - 1, sz = solid[3 * i + 2] / UNIT - 1;
    const near = eye / (eye - (r2 * sx + r5 * sy + r8 * sz));
    const x = (r0 * sx + r3 * sy + r6 * sz) * near * unit;
    if (x < left || x > right) continue;
    if (contains(region, x, (r1 * sx + r4 * sy + r7 * sz) * near * unit)) { taken[i] = 1; count++; }
  }
  return count;
}
