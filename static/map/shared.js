// @ts-check
// State that the map and the legend of one page share: the colouring, its codes, and the isolated classes.
// Both import this module, so that a click on a chip recolours the map at once. The server is told afterwards.

const pages = new Map();

export function pageOf(key) {
  if (!pages.has(key)) pages.set(key, new Page());
  return pages.get(key);
}

export class Page extends EventTarget {
  constructor() {
    super();
    this.colourBy = '';
    this.isolated = [];          // labels; [] = all
    this.urls = {};              // colouring -> address of its codes
    this.loaded = new Map();     // address -> Promise of Colours
    this.arrived = new Map();    // address -> Colours
    this.colours = null;         // the Colours on screen
    this.error = '';
    this.wanted = '';
    this.chosen = null;          // how many selected points have each code (256 numbers); null = nothing is selected
  }

  tell(type, detail = {}) {
    this.dispatchEvent(Object.assign(new Event(type), { detail }));
  }

  // Addresses change with the predictions and, for colourings that depend on votes, with the revision of the store.
  setUrls(urls) {
    const known = Object.values(urls);
    for (const url of [...this.loaded.keys()].filter(url => !known.includes(url))) {
      this.loaded.delete(url);
      this.arrived.delete(url);
    }
    this.urls = urls;
    if (this.colourBy) this.show(this.colourBy);
  }

  async show(colourBy) {
    const url = this.urls[colourBy];
    const changed = colourBy !== this.colourBy;
    this.colourBy = colourBy;
    if (changed) {
      this.isolated = [];
      this.tell('colour-by');
    }
    if (!url || url === this.wanted) return;
    this.wanted = url;
    try {
      const colours = await this.fetch(colourBy);
      if (this.wanted !== url) return;     // another colouring was chosen meanwhile
      this.colours = colours;
      this.error = '';
      const labels = colours.entries.map(entry => entry.label);
      this.isolated = this.isolated.filter(label => labels.includes(label));
      this.tell('colours');
    } catch (error) {
      if (this.wanted !== url) return;
      this.wanted = '';
      this.error = `The colours by ${colourBy} did not arrive (${error.message}).`;
      this.tell('error');
    }
  }

  // Promise of the Colours of one colouring, fetched once for each address. It resolves when the legend is here; the codes
  // may still be arriving.
  fetch(colourBy) {
    const url = this.urls[colourBy];
    if (!url) return Promise.reject(new Error(`no colours by ${colourBy}`));
    if (!this.loaded.has(url)) {
      const promise = fetchColours(url, colours => this.tell('codes', colours));
      promise.then(colours => this.arrived.set(url, colours), () => this.loaded.delete(url));
      this.loaded.set(url, promise);
    }
    return this.loaded.get(url);
  }

  // The Colours of one colouring, if they have arrived already.
  ready(colourBy) { return this.arrived.get(this.urls[colourBy]); }

  isolate(labels) {
    const all = this.colours ? this.colours.entries.map(entry => entry.label) : [];
    const kept = all.filter(label => labels.includes(label));
    this.isolated = kept.length === all.length ? [] : kept;
    this.tell('isolate');
  }
}

// The file: uint32 length of the JSON header, the header, one code byte for each point.
// Header: {colour_by, kind, palette: ['#rrggbb' by code], entries: [{label, name, letter, colour, first, last, count, quiet}]}
// Resolves when the header is here: {...header, codes, arrived, whole}. `codes` fills while they arrive, `piece(colours)` is
// called after every part, and `whole` is a promise that all have arrived.
/** @param {(colours: any) => void} [piece] */
export async function fetchColours(url, piece = () => {}) {
  const answer = await fetch(url, { credentials: 'same-origin' });
  if (!answer.ok) throw new Error(answer.status === 403 ? 'you may not see these colours' : `HTTP ${answer.status}`);
  const size = Number(answer.headers.get('Content-Length'));
  const reader = answer.body.getReader();
  let head = new Uint8Array(0);
  let start = Infinity;
  while (head.length < start) {
    const { done, value } = await reader.read();
    if (done) throw new Error('the answer is cut off');
    const longer = new Uint8Array(head.length + value.length);
    longer.set(head);
    longer.set(value, head.length);
    head = longer;
    if (head.length >= 4) start = 4 + new DataView(head.buffer).getUint32(0, true);
  }
  const header = JSON.parse(new TextDecoder().decode(head.subarray(4, start)));
  const n = size ? size - start : header.entries.reduce((sum, entry) => sum + entry.count, 0);
  const colours = { ...header, codes: new Uint8Array(n), arrived: head.length - start };
  colours.codes.set(head.subarray(start));
  head = null;
  const rest = async () => {
    while (colours.arrived < n) {
      const { done, value } = await reader.read();
      if (done) throw new Error('the answer is cut off');
      colours.codes.set(value, colours.arrived);
      colours.arrived += value.length;
      piece(colours);
    }
    return colours;
  };
  colours.whole = rest();
  colours.whole.catch(() => {});
  return colours;
}

export function entryOf(colours, code) {
  return colours.entries.find(entry => code >= entry.first && code <= entry.last);
}

// 256 RGBA texels by code. Alpha: 255 = shown, 128 = a quiet class (drawn first), 0 = not among the isolated classes.
export function paletteTexture(colours, isolated) {
  const texels = new Uint8Array(256 * 4);
  colours.palette.forEach((hex, code) => {
    const entry = entryOf(colours, code);
    const shown = !isolated.length || (entry && isolated.includes(entry.label));
    texels.set([...rgb(hex), shown ? (entry?.quiet ? 128 : 255) : 0], 4 * code);
  });
  return texels;
}

// 256 bytes: which codes are shown.
export function shownCodes(colours, isolated) {
  const shown = new Uint8Array(256).fill(isolated.length && colours ? 0 : 1);
  for (const entry of isolated.length && colours ? colours.entries : []) {
    if (isolated.includes(entry.label)) shown.fill(1, entry.first, entry.last + 1);
  }
  return shown;
}

export function rgb(hex) {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
