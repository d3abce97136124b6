// @ts-check
// The elements around the pixels of the mosaic: tag at the cursor, compass, colour scale, bar over an enlarged CCD or an
// exposure to blink with, legend of the masks, messages.

import { toScreen } from './view.js';

const STYLE = `
.mosaic { position: relative; width: 100%; height: 100%; overflow: hidden; background: var(--image, #0a0a0a); color: var(--text, #e6edf3);
  font: 12px/1.35 system-ui, sans-serif; cursor: crosshair; touch-action: none; user-select: none; outline: none; contain: strict; }
.mosaic:focus-visible { box-shadow: inset 0 0 0 2px var(--accent, #58a6ff); }
.mosaic.dragging { cursor: grabbing; }
.mosaic canvas.pixels, .mosaic canvas.marks { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.mosaic .tag { position: absolute; left: 0; top: 0; padding: 2px 7px; border-radius: 4px; background: rgba(13,17,23,.9); border: 1px solid #30363d;
  white-space: nowrap; pointer-events: none; font-variant-numeric: tabular-nums; visibility: hidden; z-index: 3; }
.mosaic .tag b { font: 600 12px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; margin-right: 7px; }
.mosaic .tag span { color: var(--muted, #9da7b3); margin-left: 7px; }
.mosaic .hud { position: absolute; left: 10px; bottom: 8px; display: flex; align-items: center; gap: 9px; padding: 3px 6px; border-radius: 4px;
  background: rgba(10,10,10,.66); color: var(--muted, #9da7b3); font-size: 11px; font-variant-numeric: tabular-nums; pointer-events: none; visibility: hidden; }
.mosaic .hud canvas { width: 84px; height: 7px; border-radius: 2px; display: block; }
.mosaic .hud svg { display: block; }
.mosaic .bar { position: absolute; left: 0; right: 0; top: 0; height: 32px; padding: 0 6px 0 12px; display: none; align-items: center; gap: 10px;
  background: rgba(13,17,23,.88); border-bottom: 1px solid var(--line, #30363d); cursor: default; }
.mosaic[data-ccd]:not([data-ccd=""]) .bar { display: flex; }
.mosaic .bar b { font: 600 13px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
.mosaic .bar .saying { color: var(--muted, #9da7b3); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 1; }
.mosaic .bar button { font: inherit; color: var(--text, #e6edf3); background: var(--panel, #161b22); border: 1px solid var(--line, #30363d); border-radius: 4px;
  padding: 2px 9px; cursor: pointer; white-space: nowrap; }
.mosaic .bar button:hover, .mosaic .bar button:focus-visible { border-color: var(--accent, #58a6ff); outline: none; }
.mosaic .blinked { position: absolute; left: 10px; top: 10px; z-index: 4; max-width: min(230px, 40%); padding: 8px 12px; display: none; gap: 3px;
  border-radius: 4px; background: #3d2f00; border: 1px solid var(--wait, #dfaf00); pointer-events: none; }
.mosaic[data-blink]:not([data-blink=""]) .blinked { display: grid; }
.mosaic[data-blink]:not([data-blink=""]) { box-shadow: inset 0 0 0 2px var(--wait, #dfaf00); }
.mosaic[data-blink]:not([data-blink=""]) canvas.marks { box-shadow: inset 0 0 0 2px var(--wait, #dfaf00); }
.mosaic .blinked b { font: 600 20px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
.mosaic .blinked .not { color: var(--wait, #dfaf00); }
.mosaic .legend { position: absolute; left: 10px; bottom: 62px; max-width: 230px; padding: 6px 9px; border-radius: 4px; display: none; gap: 3px;
  background: rgba(10,10,10,.8); font-size: 11px; pointer-events: none; }
.mosaic .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; vertical-align: -1px; }
.mosaic .legend .part { float: right; margin-left: 12px; color: var(--muted, #9da7b3); }
.mosaic .legend .line { color: var(--muted, #9da7b3); }
.mosaic .verdict { position: absolute; right: 10px; bottom: 46px; display: none; padding: 3px 9px; border-radius: 4px; font-weight: 600;
  background: rgba(10,10,10,.8); border: 1px solid var(--line, #30363d); pointer-events: none; }
.mosaic .verdict[data-state] { display: block; }
.mosaic .verdict[data-state=good] { color: var(--good, #3fb950); border-color: currentColor; }
.mosaic .verdict[data-state=some], .mosaic .verdict[data-state=whole] { color: var(--bad, #f85149); border-color: currentColor; }
.mosaic .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.mosaic .hud { flex-wrap: wrap; max-width: 300px; }
.mosaic .hud .of { flex-basis: 100%; order: -1; white-space: nowrap; }
.mosaic .hud .of:empty { display: none; }
.mosaic .message { position: absolute; inset: 0; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 6px; padding: 24px;
  text-align: center; color: var(--muted, #9da7b3); pointer-events: none; }
.mosaic .message b { color: var(--text, #e6edf3); font-weight: 600; }
.mosaic .message p { max-width: 46ch; margin: 0; user-select: text; }
.mosaic .message:empty { display: none; }
.mosaic .waiting { position: absolute; left: 0; top: 0; height: 2px; width: 28%; background: var(--accent, #58a6ff); display: none; }
.mosaic[data-state=loading] .waiting { display: block; animation: mosaic-waiting 1.1s ease-in-out .15s infinite; transform: translateX(-110%); }
@keyframes mosaic-waiting { to { transform: translateX(400%); } }
@media (prefers-reduced-motion: reduce) { .mosaic .waiting { animation: none; transform: none; width: 100%; } }
`;

const COMPASS = `<svg width="30" height="26" viewBox="0 0 30 26" fill="none" stroke="currentColor" stroke-width="1.3" aria-label="north up, east left">
<path d="M22 21V8M22 21H9M19.6 10.6 22 7.6l2.4 3M11.6 18.6 8.6 21l3 2.4"/>
<g fill="currentColor" stroke="none" font-size="8.5" font-family="system-ui, sans-serif"><text x="19" y="6.5">N</text><text x="0.5" y="24">E</text></g></svg>`;

function made(name, className, parent) {
  const element = document.createElement(name);
  element.className = className;
  parent.append(element);
  return element;
}

export class Furniture {
  constructor(el, options, mosaic) {
    this.options = options;
    this.root = made('div', 'mosaic', el);
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'group');
    made('style', '', this.root).textContent = STYLE;
    this.canvas = made('canvas', 'pixels', this.root);
    this.canvas.setAttribute('role', 'img');
    this.marks = made('canvas', 'marks', this.root);
    this.marks.setAttribute('aria-hidden', 'true');
    this.message = made('div', 'message', this.root);
    this.message.setAttribute('role', 'status');
    made('div', 'waiting', this.root);
    this.makeHud();
    this.makeBar(mosaic);
    this.makeBlinked();
    this.legendBox = made('div', 'legend', this.root);
    this.verdictBox = made('div', 'verdict', this.root);
    this.spoken = made('div', 'spoken', this.root);
    this.spoken.setAttribute('aria-live', 'polite');
    this.tagBox = made('div', 'tag', this.root);
    this.plain = null;
    this.state('empty', null);
  }

  makeHud() {
    this.hud = made('div', 'hud', this.root);
    this.hud.insertAdjacentHTML('beforeend', COMPASS);
    this.low = made('span', '', this.hud);
    this.scale = made('canvas', '', this.hud);
    this.high = made('span', '', this.hud);
    this.of = made('span', 'of', this.hud);
    this.scale.width = 256;
    this.scale.height = 1;
  }

  makeBar(mosaic) {
    const bar = made('div', 'bar', this.root);
    bar.dataset.noPick = '';
    this.barName = made('b', '', bar);
    const back = made('button', '', bar);
    back.type = 'button';
    back.textContent = 'whole exposure';
    back.title = 'back to all CCDs (double click, Esc)';
    back.addEventListener('click', () => { back.blur(); mosaic.closeCcd(); this.root.focus({ preventScroll: true }); });
    this.barNote = made('span', 'saying', bar);
  }

  makeBlinked() {
    const bar = made('div', 'blinked', this.root);
    bar.setAttribute('role', 'status');
    this.otherName = made('b', '', bar);
    this.otherWords = made('span', '', bar);
    this.otherNot = made('span', 'not', bar);
  }

  size(width, height) {
    for (const canvas of [this.canvas, this.marks]) {
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
  }

  // 'empty' | 'loading' | 'shown' | 'failed' | 'none'
  state(state, expnum, problem = '') {
    Object.assign(this.root.dataset, { state, expnum: state === 'shown' ? expnum : '' });
    this.root.setAttribute('aria-label', expnum === null ? 'no exposure' : `exposure ${expnum}: arrows go from CCD to CCD`);
    this.canvas.setAttribute('aria-label', expnum === null ? 'no exposure' : `focal plane of exposure ${expnum}`);
    this.message.replaceChildren();
    clearTimeout(this.slow);
    if (state === 'loading') this.slow = setTimeout(() => { made('p', '', this.message).textContent = `${expnum} is on its way`; }, SLOW);
    if (state === 'failed') {
      made('b', '', this.message).textContent = `${expnum} cannot be shown`;
      made('p', '', this.message).textContent = problem;
    } else if (state === 'none') {
      made('p', '', this.message).textContent = problem;
    } else if (state === 'empty') {
      made('p', '', this.message).textContent = this.options.emptyText ?? '';
    }
  }

  update(mosaic) {
    this.root.dataset.ccd = mosaic.opened?.ccd.ccdname ?? '';
    if (mosaic.opened) {
      this.barName.textContent = mosaic.opened.ccd.ccdname;
      this.barNote.textContent = mosaic.opened.note;
      this.barNote.title = mosaic.opened.note;
    }
    this.hud.style.visibility = this.options.hud && mosaic.picture ? 'visible' : 'hidden';
    this.updateBlinked(mosaic);
    const verdict = mosaic.other || mosaic.opened ? null : mosaic.verdict;
    if (verdict) this.verdictBox.dataset.state = verdict.state;
    else delete this.verdictBox.dataset.state;
    this.verdictBox.textContent = verdict?.text ?? '';
  }

  // Says which exposure is shown while blinking, and that it is not the one to judge.
  updateBlinked(mosaic) {
    const { other } = mosaic;
    const seen = other ? `${other.expnum}` : '';
    const here = other && (other.picture || other.problem) ? 1 : 0;
    if (this.root.dataset.blink === seen && this.blinkedHere === here) return;
    this.root.dataset.blink = seen;
    this.blinkedHere = here;
    this.otherName.textContent = seen;
    this.otherWords.textContent = !other ? '' : other.problem ? `cannot be shown: ${other.problem}` : here ? other.words : 'is on its way';
    this.otherNot.textContent = other ? `To compare; a vote goes to ${mosaic.expnum}.` : '';
  }

  drawLimits(mosaic) {
    if (this.options.hud && mosaic.seen().picture) this.drawScale(mosaic);
  }

  // classes : [{bit, label, colour, share}]; line : a note about the mask. null hides the legend.
  legend(content) {
    const text = JSON.stringify(content);
    if (text === this.legendText) return;
    this.legendText = text;
    this.legendBox.style.display = content ? 'grid' : 'none';
    this.legendBox.replaceChildren();
    for (const { bit, label, colour, share } of content?.classes ?? []) {
      if (bit !== null && !share) continue;
      const row = made('div', '', this.legendBox);
      const swatch = made('i', '', row);
      swatch.style.background = bit === null ? `repeating-linear-gradient(135deg, ${colour} 0 2px, transparent 2px 4px)` : colour;
      row.append(label);
      if (share !== undefined && share !== null) made('span', 'part', row).textContent = percent(share);
    }
    if (content?.line) made('div', 'line', this.legendBox).textContent = content.line;
  }

  // Tells a screen reader the CCD of the keyboard cursor.
  say(mosaic, ccdname) {
    if (!ccdname) { this.spoken.textContent = ''; return; }
    const mark = mosaic.overlay?.[ccdname];
    const words = [ccdname, mosaic.ticked.has(ccdname) ? 'ticked' : '', mark?.value === undefined ? '' : `probability of being bad ${Number(mark.value).toFixed(2)}`];
    this.spoken.textContent = words.filter(Boolean).join(', ');
  }

  // The limits in the picture's unit, or in sigmas if every CCD has its own.
  drawScale(mosaic) {
    const { header } = mosaic.shown();
    const how = mosaic.how(header);
    const { unit } = header;
    const adu = sigmas => signed(sigmas * header.sigma);
    const own = mosaic.options.scaleMode === 'ccd' && !how.blocks;
    this.of.textContent = how.blocks && !mosaic.options.limits ? header.sky_range?.words ?? '' : '';
    this.low.textContent = own ? `${signed(how.low)} σ` : adu(how.low);
    this.high.textContent = own ? `${signed(how.high)} σ of each CCD` : `${adu(how.high)} ${unit}`;
    const table = new Uint8ClampedArray(256 * 4);
    for (let i = 0; i < 256; i++) table.set(how.colours.subarray(4 * (how.invert ? 255 - i : i), 4 * (how.invert ? 255 - i : i) + 4), 4 * i);
    this.scale.getContext('2d').putImageData(new ImageData(table, 256, 1), 0, 0);
  }

  tag(mosaic, probe) {
    const box = this.tagBox;
    box.style.visibility = probe ? 'visible' : 'hidden';
    if (!probe) return;
    const mark = mosaic.overlay?.[probe.ccd.ccdname];
    box.replaceChildren();
    made('b', '', box).textContent = probe.ccd.ccdname;
    box.append(probe.value === null ? 'nothing recorded' : `${grouped(probe.value)} ${probe.unit}`);
    if (probe.sigmas !== null) made('span', '', box).textContent = `${signed(probe.sigmas)} σ`;
    if (probe.masked?.length) made('span', '', box).textContent = probe.masked.join(', ');
    if (mark?.label || mark?.value !== undefined) {
      const words = made('span', '', box);
      words.textContent = mark.label || Number(mark.value).toFixed(2);
      if (mark.colour) words.style.color = mark.colour;
    }
    if (mosaic.opened) made('span', '', box).textContent = `x ${probe.column + 1}  y ${probe.row + 1}`;
    const [x, y] = mosaic.cursor.map(side => side / mosaic.ratio);
    const [width, height] = [mosaic.width / mosaic.ratio, mosaic.height / mosaic.ratio];
    const left = x + 16 + box.offsetWidth > width ? x - box.offsetWidth - 10 : x + 16;
    const top = y + 20 + box.offsetHeight > height ? y - box.offsetHeight - 8 : y + 18;
    box.style.transform = `translate(${Math.max(0, Math.round(left))}px, ${Math.max(0, Math.round(top))}px)`;
  }

  // ---- browsers without WebGL2: a picture from the server in the same place

  plainPictures(reason) {
    console.warn(`mosaic: ${reason}; showing ready-made pictures`);
    this.plain = new Map();
  }

  drawPlain(mosaic, seen = mosaic) {
    const context = this.canvas.getContext('2d');
    context.fillStyle = '#0a0a0a';
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const { stretch } = mosaic.options;
    const { opened } = mosaic;
    const path = opened && seen.opened ? `thumb/${seen.opened.ccd.image_id}` : `mosaic/${seen.expnum}.jpg`;
    const url = mosaic.pictures.url(path, opened ? { s: stretch } : { s: stretch, w: 1600 });
    let image = this.plain.get(url);
    if (!image) {
      image = new Image();
      image.onload = () => mosaic.requestDraw();
      image.src = url;
      this.plain.set(url, image);
      if (this.plain.size > 12) this.plain.delete(this.plain.keys().next().value);
    }
    if (!image.complete || !image.naturalWidth) return;
    const [width, height] = opened ? opened.rect.slice(2) : mosaic.geometry.canvas;
    const [x, y] = toScreen(mosaic.view, 0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(image, x, y, width * mosaic.view.scale, height * mosaic.view.scale);
  }
}

const SLOW = 700; // ms until a message says that the picture is loading
const percent = share => (share >= 0.1 ? `${Math.round(100 * share)} %` : share >= 0.001 ? `${(100 * share).toFixed(1)} %` : '< 0.1 %');
const grouped = value => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3));

function signed(value) {
  const size = Math.abs(value);
  const digits = size >= 100 ? Math.round(size).toLocaleString('en-US') : size >= 10 ? size.toFixed(0) : size.toFixed(1);
  return (value < 0 ? '\u2212' : '+') + digits;
}

