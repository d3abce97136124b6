// @ts-check
// Finds the points under the cursor, and keeps the selection bits. Long searches are generators that pause after each block
// of points, so that the page can draw meanwhile; see `inSlices`.

import { UNIT } from './points.js';
import { takeInside } from './region.js';

const BLOCK = 65536;
const AT_ONCE = 400_000;       // up to this many points are searched without a pause
const SLICE_MS = 10;
const places = new Float32Array(3 * BLOCK);
export const ALL = new Uint8Array(256).fill(1);

// Run a generator: at once for few points, or else in slices of a few milliseconds. It stops, with undefined, when
// `stale()` is true.
export function inSlices(n, generator, stale = () => false) {
  if (n <= AT_ONCE) {
    for (;;) { const step = generator.next(); if (step.done) return step.value; }
  }
  return new Promise(resolve => {
    const turn = () => {
      const until = performance.now() + SLICE_MS;
      do {
        if (stale()) { resolve(undefined); return; }
        const step = generator.next();
        if (step.done) { resolve(step.value); return; }
      } while (performance.now() < until);
      soon(turn);
    };
    turn();
  });
}

// Goes on in a new task at once. A timer would wait four milliseconds each time.
const channel = new MessageChannel();
const waiting = [];
channel.port1.onmessage = () => waiting.shift()();
export function soon(act) { waiting.push(act); channel.port2.postMessage(0); }

// Index of the point nearest to (x, y) within `radius` CSS pixels; -1 = none. shown : which codes count.
// If distances differ by less than a pixel or two, the point nearer to the eye is taken.
export function* nearest(set, camera, x, y, radius, shown = ALL) {
  const found = { best: -1, least: radius * radius, front: -Infinity };
  const flat = camera.morph === 0 && set.flat;
  const reach = flat ? reachOf(camera, x, y, radius) : null;
  const n = Math.min(set.n, camera.morph < 1 ? set.arrived[2] : Infinity, camera.morph > 0 ? set.arrived[3] : Infinity);
  for (let from = 0; from < n; from += BLOCK) {
    const to = Math.min(n, from + BLOCK);
    if (flat) nearestFlat(set, camera, x, y, radius, shown, from, to, reach, found);
    else nearestProjected(set, camera, x, y, radius, shown, from, to, found);
    yield;
  }
  return found.best;
}

/** @returns {any} */
function reachOf(camera, x, y, radius) {
  const cx = camera.width / 2 + camera.offset[0], cy = camera.height / 2 + camera.offset[1];
  const range = (low, high) => [Math.floor((low + 1) * UNIT) - 1, Math.ceil((high + 1) * UNIT) + 1];
  return [...range((x - radius - cx) / camera.scale, (x + radius - cx) / camera.scale), ...range((cy - y - radius) / camera.scale, (cy - y + radius) / camera.scale)];
}

function nearestFlat(set, camera, x, y, radius, shown, from, to, [left, right, low, high], found) {
  const { flat, codes } = set;
  for (let i = from; i < to; i++) {
    const a = flat[2 * i], b = flat[2 * i + 1];
    if (a < left || a > right || b < low || b > high || !shown[codes[i]]) continue;
    set.project(camera, i, i + 1, places);
    consider(i, places[0] - x, places[1] - y, places[2], radius, found);
  }
}

function nearestProjected(set, camera, x, y, radius, shown, from, to, found) {
  set.project(camera, from, to, places);
  for (let i = from, k = 0; i < to; i++, k += 3) {
    const dx = places[k] - x, dy = places[k + 1] - y;
    if (dx > radius || dx < -radius || dy > radius || dy < -radius || !shown[set.codes[i]]) continue;
    consider(i, dx, dy, places[k + 2], radius, found);
  }
}

function consider(i, dx, dy, front, radius, found) {
  const square = dx * dx + dy * dy;
  if (!(square <= radius * radius) || front !== front) return;
  const tie = square <= 6.25 && found.least <= 6.25;
  if (tie ? front > found.front || (front === found.front && square < found.least) : square < found.least) {
    found.best = i;
    found.least = square;
    found.front = front;
  }
}

// One byte per point: 1 = inside a region.
export function* insideRegion(set, region, shown = ALL) {
  const taken = new Uint8Array(set.n);
  for (let from = 0; from < set.n; from += BLOCK) {
    takeInside(set, region, shown, from, Math.min(set.n, from + BLOCK), taken);
    yield;
  }
  return taken;
}

// Change the selection bits of `state` by indices, or by one byte per point: 'replace', 'add' or 'subtract'.
// Returns the number of selected points.
export function applySelection(state, chosen, how) {
  const bit = how === 'subtract' ? 0 : 1;
  if (chosen instanceof Uint8Array) {
    if (how === 'replace') state.set(chosen);
    else for (let i = 0; i < state.length; i++) { if (chosen[i]) state[i] = bit; }
  } else {
    if (how === 'replace') state.fill(0);
    for (const i of chosen) state[i] = bit;
  }
  let count = 0;
  for (let i = 0; i < state.length; i++) count += state[i];
  return count;
}

export function selectedIndices(state, count) {
  const indices = new Uint32Array(count);
  for (let i = 0, k = 0; i < state.length && k < count; i++) if (state[i] & 1) indices[k++] = i;
  return indices;
}

// 256 numbers: how many selected points have each code.
export function countByCode(state, codes) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < codes.length; i++) if (state[i] & 1) counts[codes[i]]++;
  return counts;
}
