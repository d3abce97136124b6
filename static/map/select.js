// Which points lie under the cursor, in a box or in a lasso: on the projected places, so 2-D and 3-D are one case
// (in 3-D a lasso takes the whole column behind it).

const BLOCK = 65536;
const places = new Float32Array(3 * BLOCK);

// Index of the point nearest to (x, y) within `radius` CSS pixels, -1 where there is none. `allowed(i)` filters.
// Points whose distances differ by less than a pixel or two are told apart by their nearness to the eye.
export function nearest(set, camera, x, y, radius, allowed = () => true) {
  let best = -1;
  let least = radius * radius;
  let front = -Infinity;
  for (let from = 0; from < set.n; from += BLOCK) {
    const to = Math.min(set.n, from + BLOCK);
    set.project(camera, from, to, places);
    for (let i = from, k = 0; i < to; i++, k += 3) {
      const dx = places[k] - x, dy = places[k + 1] - y;
      const square = dx * dx + dy * dy;
      if (!(square <= radius * radius) || !(places[k + 2] === places[k + 2]) || !allowed(i)) continue;
      const tie = square <= 6.25 && least <= 6.25;
      if (tie ? places[k + 2] > front || (places[k + 2] === front && square < least) : square < least) {
        best = i;
        least = square;
        front = places[k + 2];
      }
    }
  }
  return best;
}

// Indices inside a polygon [[x, y], ...] by the even-odd rule: a C-shaped lasso does not take what lies in its mouth.
export function insidePolygon(set, camera, polygon, allowed = () => true) {
  const rows = rowsOf(polygon);
  const [left, top, right, bottom] = boundsOf(polygon);
  return collect(set, camera, (x, y, i) => x >= left && x <= right && y >= top && y <= bottom
    && crossings(rows, x, y) % 2 === 1 && allowed(i));
}

export function insideBox(set, camera, [[x0, y0], [x1, y1]], allowed = () => true) {
  const [left, right] = x0 < x1 ? [x0, x1] : [x1, x0];
  const [top, bottom] = y0 < y1 ? [y0, y1] : [y1, y0];
  return collect(set, camera, (x, y, i) => x >= left && x <= right && y >= top && y <= bottom && allowed(i));
}

function collect(set, camera, inside) {
  let found = new Uint32Array(1024);
  let count = 0;
  for (let from = 0; from < set.n; from += BLOCK) {
    const to = Math.min(set.n, from + BLOCK);
    set.project(camera, from, to, places);
    for (let i = from, k = 0; i < to; i++, k += 3) {
      if (places[k + 2] !== places[k + 2] || !inside(places[k], places[k + 1], i)) continue;
      if (count === found.length) {
        const longer = new Uint32Array(2 * count);
        longer.set(found);
        found = longer;
      }
      found[count++] = i;
    }
  }
  return found.slice(0, count);
}

// The edges of a polygon by pixel row: {first, rows: [Float64Array of ax, ay, bx, by, ...]}. A point is compared with the
// few edges of its own row instead of with all of them.
export function rowsOf(polygon) {
  const edges = polygon.map((point, k) => [...point, ...polygon[(k + 1) % polygon.length]]);
  const first = Math.floor(Math.min(...polygon.map(point => point[1])));
  const lists = [];
  for (const edge of edges) {
    if (edge[1] === edge[3]) continue;
    const last = Math.floor(Math.max(edge[1], edge[3])) - first;
    for (let row = Math.floor(Math.min(edge[1], edge[3])) - first; row <= last; row++) (lists[row] ||= []).push(...edge);
  }
  return { first, rows: Array.from(lists, list => Float64Array.from(list || [])) };
}

// How many edges a ray from (x, y) to the right crosses.
export function crossings({ first, rows }, x, y) {
  const edges = rows[Math.floor(y) - first];
  let count = 0;
  if (!edges) return 0;
  for (let k = 0; k < edges.length; k += 4) {
    const ay = edges[k + 1], by = edges[k + 3];
    if ((ay > y) !== (by > y) && x < edges[k] + (edges[k + 2] - edges[k]) * (y - ay) / (by - ay)) count++;
  }
  return count;
}

function boundsOf(polygon) {
  const xs = polygon.map(point => point[0]), ys = polygon.map(point => point[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

// Put `indices` into the selection bit of `state`: 'replace', 'add' or 'subtract'. How many are selected then.
export function applySelection(state, indices, how) {
  if (how === 'replace') state.fill(0);
  const bit = how === 'subtract' ? 0 : 1;
  for (const i of indices) state[i] = bit;
  let count = 0;
  for (let i = 0; i < state.length; i++) count += state[i] & 1;
  return count;
}

export function selectedIndices(state, count) {
  const indices = new Uint32Array(count);
  for (let i = 0, k = 0; i < state.length && k < count; i++) if (state[i] & 1) indices[k++] = i;
  return indices;
}
