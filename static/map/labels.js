// @ts-check
// Names of the classes on the map, each where its points are densest, so that nobody depends on colour alone.

const MOST = 14;
const SAMPLE = 40_000;       // number of points to look at; points are in a shuffled order
const LEAST_SHARE = 0.002;   // rarer classes have no name on the map

export class Labels {
  constructor(box) {
    this.box = document.createElement('div');
    this.box.className = 'map-labels';
    this.box.setAttribute('aria-hidden', 'true');
    box.append(this.box);
    this.labels = [];
    this.anchors = {};
    this.shown = true;
    this.place3 = new Float32Array(3);
  }

  // Called when colours or points have changed: the anchors are found again when they are needed.
  reset(set, colours) {
    this.set = set;
    this.anchors = {};
    const entries = colours.kind === 'continuous' ? [] : colours.entries.filter(entry => !entry.quiet && entry.count >= LEAST_SHARE * set.n);
    entries.sort((a, b) => b.count - a.count);
    this.labels = entries.slice(0, MOST).map(entry => {
      const node = document.createElement('span');
      node.textContent = entry.name;
      return { entry, node, width: 7 * entry.name.length + 6 };
    });
    this.box.replaceChildren(...this.labels.map(label => label.node));
  }

  toggle() { this.shown = !this.shown; }

  // Called after every frame: the names move with the points.
  place(camera, isolated, hasSelection) {
    this.box.hidden = !this.shown || camera.morph % 1 !== 0;
    if (this.box.hidden || !this.labels.length) return;
    const enough = Math.min(this.set.n, SAMPLE);
    if (this.set.arrived[camera.dims] < enough || this.set.coloured < enough) return;
    const anchors = this.anchors[camera.dims] ||= findAnchors(this.set, this.labels, camera.dims);
    this.box.style.opacity = hasSelection ? '0.45' : '1';
    const taken = [];
    this.labels.forEach(({ entry, node, width }, k) => {
      const wanted = anchors[k] >= 0 && (!isolated.length || isolated.includes(entry.label));
      if (wanted) this.set.project(camera, anchors[k], anchors[k] + 1, this.place3);
      const y = this.place3[1];
      const x = inwards(this.place3[0], width, camera.width);
      const frame = [x - width / 2, y - 9, x + width / 2, y + 9];
      const free = wanted && x > 0 && y > 8 && x < camera.width && y < camera.height - 8
        && !taken.some(other => frame[0] < other[2] && frame[2] > other[0] && frame[1] < other[3] && frame[3] > other[1]);
      node.hidden = !free;
      if (!free) return;
      taken.push(frame);
      node.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    });
  }
}

// A name at the edge is moved inwards so that all of it shows, if its point is in the picture.
function inwards(x, width, whole) {
  if (x < 0 || x > whole || width + 8 > whole) return x;
  return Math.min(Math.max(x, width / 2 + 4), whole - width / 2 - 4);
}

// For each label the index of a point in the middle of the fullest cell of its class; -1 = no point.
function findAnchors(set, labels, dims) {
  const side = dims === 3 ? 12 : 28;
  const places = dims === 3 ? set.solid : set.flat;
  const slots = new Int16Array(256).fill(-1);
  labels.forEach(({ entry }, k) => slots.fill(k, entry.first, entry.last + 1));
  const cells = labels.map(() => new Map());
  const n = Math.min(set.n, set.arrived[dims], set.coloured, SAMPLE);
  for (let i = 0; i < n; i++) {
    const k = slots[set.codes[i]];
    if (k < 0 || places[dims * i] === 65535) continue;
    let cell = 0;
    for (let axis = 0; axis < dims; axis++) cell = cell * side + Math.min(side - 1, Math.floor(places[dims * i + axis] / 65001 * side));
    const found = cells[k].get(cell);
    if (found) found.push(i); else cells[k].set(cell, [i]);
  }
  return cells.map(found => {
    const fullest = [...found.values()].reduce((best, one) => (one.length > best.length ? one : best), []);
    return fullest.length ? central(places, fullest, dims) : -1;
  });
}

function central(places, indices, dims) {
  const middle = [0, 1, 2].slice(0, dims).map(axis => indices.reduce((sum, i) => sum + places[dims * i + axis], 0) / indices.length);
  const distance = i => middle.reduce((sum, value, axis) => sum + (places[dims * i + axis] - value) ** 2, 0);
  return indices.reduce((best, i) => (distance(i) < distance(best) ? i : best));
}
