// @ts-check
// Fetches pictures of exposures and CCDs, keeps the last ones, and loads the next ones ahead of time.
//
// Packet (app/pictures/packets.py): 'TPIX', header length as uint32, header as JSON padded to 8 bytes, then uint16 sections.
// A code c > 0 stands for header.zero + header.step * c in header.unit; 0 = nothing recorded.

import { NO_PICTURES, hasPictures } from '../basics/has_pictures.js';

const MAGIC = 0x58495054; // 'TPIX', little-endian
const KEPT = 10;

/** @returns {any} */
export function parsePacket(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0, true) !== MAGIC) throw new Error('this is not a picture packet');
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const sections = {};
  for (const [name, [offset, count]] of Object.entries(header.sections))
    sections[name] = new Uint16Array(buffer, 8 + length + offset, count);
  return { header, ...sections };
}

// Codes averaged over 4 x 4 pixels, without blank ones. columns and rows say how much of the last averages is covered.
export function quartered(codes, columns, rows) {
  const across = Math.ceil(columns / 4), down = Math.ceil(rows / 4);
  const result = new Uint16Array(across * down);
  const totals = new Float64Array(across), counts = new Uint16Array(across);
  for (let y = 0; y < rows; y++) {
    for (let x = 0, at = y * columns; x < columns; x++, at++) {
      if (codes[at]) { totals[x >> 2] += codes[at]; counts[x >> 2]++; }
    }
    if (y % 4 < 3 && y < rows - 1) continue;
    for (let x = 0, at = (y >> 2) * across; x < across; x++, at++) result[at] = counts[x] ? Math.round(totals[x] / counts[x]) : 0;
    totals.fill(0);
    counts.fill(0);
  }
  return { codes: result, columns: columns / 4, rows: rows / 4, across, down };
}

// Errors have `again`: whether the same request may succeed later.
async function fetched(url, signal) {
  let response;
  try {
    response = await fetch(url, { credentials: 'same-origin', signal });
  } catch (problem) {
    if (problem.name === 'AbortError') throw problem;
    throw Object.assign(new Error('no connection to the server; trying again every few seconds'), { again: true });
  }
  if (response.ok) return response;
  let message = `the server answered ${response.status} ${response.statusText}`;
  const body = (await response.text()).trim().replace(/^\d{3} /, '');
  if (body && body.length < 600 && !body.startsWith('<')) message = body;
  const error = new Error(message);
  throw Object.assign(error, { status: response.status, again: [502, 503, 504].includes(response.status) });
}

export class Pictures {
  // base : start of the addresses of pictures; version : of the run's pictures, part of every address.
  constructor({ base = 'picture', version = '' } = {}) {
    this.base = base;
    this.version = version;
    this.kept = new Map();
    this.waiting = new Map();
    this.geometries = new Map();
    this.nearby = new Map();
    this.wanted = [];
    this.busy = false;
    this.working = null;
    this.onload = null;
  }

  forget(version) {
    this.version = version;
    this.kept.clear();
    this.waiting.clear();
    this.nearby.clear();
  }

  url(path, query = {}) {
    const text = new URLSearchParams({ ...query, v: this.version }).toString();
    return `${this.base}/${path}?${text}`;
  }

  geometry(camera) {
    if (!this.geometries.has(camera)) {
      const asked = fetched(this.url(`geometry/${camera}.json`)).then(response => response.json());
      asked.catch(() => this.geometries.delete(camera));
      this.geometries.set(camera, asked);
    }
    return this.geometries.get(camera);
  }

  // A picture that is here already, or else undefined.
  peek(expnum) { return this.kept.get(expnum); }

  async exposure(expnum) {
    if (this.kept.has(expnum)) {
      const picture = this.kept.get(expnum);
      this.keep(expnum, picture);
      return picture;
    }
    if (!this.waiting.has(expnum)) {
      const asked = this.load(expnum, this.version).finally(() => { if (this.waiting.get(expnum) === asked) this.waiting.delete(expnum); });
      this.waiting.set(expnum, asked);
    }
    return this.waiting.get(expnum);
  }

  async load(expnum, version) {
    if (!hasPictures(expnum)) throw Object.assign(new Error(NO_PICTURES), { none: true });
    const response = await fetched(this.url(`mosaic/${expnum}.bin`));
    const picture = parsePacket(await response.arrayBuffer());
    picture.geometry = await this.geometry(picture.header.camera);
    if (version === this.version) this.keep(expnum, picture);
    return picture;
  }

  keep(expnum, picture) {
    this.kept.delete(expnum);
    this.kept.set(expnum, picture);
    while (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  async ccd(imageId, signal) {
    const response = await fetched(this.url(`ccd/${imageId}.bin`), signal);
    const packet = parsePacket(await response.arrayBuffer());
    packet.quarter = quartered(packet.pixels, packet.header.columns, packet.header.rows);
    return packet;
  }

  // Data-quality mask with the texels of the preview, or of one CCD at full resolution. header.note says if there is none.
  async mask(expnum) { return this.packetAt(`dqmask/${expnum}.bin`); }
  async ccdMask(imageId) { return this.packetAt(`dqmask/ccd/${imageId}.bin`); }
  async packetAt(path) { return parsePacket(await (await fetched(this.url(path))).arrayBuffer()); }

  // Exposures to blink with: [{expnum, words}], the most similar first.
  near(expnum) {
    if (!this.nearby.has(expnum)) {
      const asked = fetched(this.url(`near/${expnum}.json`)).then(response => response.json()).then(answer => answer.near);
      asked.catch(() => this.nearby.delete(expnum));
      this.nearby.set(expnum, asked);
      if (this.nearby.size > 4 * KEPT) this.nearby.delete(this.nearby.keys().next().value);
    }
    return this.nearby.get(expnum);
  }

  // Loads one picture at a time, in order, so that the exposure on screen never waits. Resolves when all are loaded.
  prefetch(expnums) {
    this.wanted = [...expnums].slice(0, KEPT - 2);
    if (!this.busy) this.working = this.loadWanted();
    return this.working;
  }

  async loadWanted() {
    this.busy = true;
    while (this.wanted.length) {
      const expnum = this.wanted.shift();
      try {
        this.onload?.(expnum, await this.exposure(expnum));
      } catch { /* shown when somebody opens it */ }
    }
    this.busy = false;
  }
}
