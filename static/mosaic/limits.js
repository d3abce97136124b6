// @ts-check
// Free limits of the stretch: two handles over a small histogram, or numbers, in sky sigmas and in the picture's unit.

import { STRETCHES } from './stretch.js';

const SAMPLES = 40000;
const SOFT = 3;            // sigmas: the axis is asinh(sigmas / SOFT), so that both sky and stars can be seen
const REACH = [-12, 400];  // sigmas at its ends
const BINS = 120;
const LEAST = 0.2;         // sigmas between the limits
const at = sigmas => (Math.asinh(sigmas / SOFT) - Math.asinh(REACH[0] / SOFT)) / (Math.asinh(REACH[1] / SOFT) - Math.asinh(REACH[0] / SOFT));
const sigmasAt = share => SOFT * Math.sinh(Math.asinh(REACH[0] / SOFT) + share * (Math.asinh(REACH[1] / SOFT) - Math.asinh(REACH[0] / SOFT)));
const rounded = value => Number(value.toFixed(Math.abs(value) < 10 ? 2 : 1));

const STYLE = `
.limits { position: absolute; right: 12px; bottom: 52px; z-index: 5; width: 336px; padding: 10px 14px 10px; border-radius: 6px; cursor: default;
  background: var(--panel, #161b22); border: 1px solid var(--line, #30363d); box-shadow: 0 6px 24px rgba(0,0,0,.5); user-select: text; }
.limits .plot { position: relative; height: 62px; margin: 2px 0 4px; touch-action: none; }
.limits canvas { position: absolute; inset: 0; width: 100%; height: 100%; background: var(--image, #0a0a0a); border-radius: 3px; }
.limits .handle { position: absolute; top: -3px; bottom: -3px; width: 24px; min-height: 0; margin-left: -12px; padding: 0; border: 0; background: none; cursor: ew-resize; }
.limits .handle::before { content: ""; position: absolute; left: 11px; top: 0; bottom: 0; width: 2px; background: var(--accent, #58a6ff); }
.limits .handle::after { content: ""; position: absolute; left: 7px; bottom: -2px; width: 10px; height: 10px; border-radius: 2px; background: var(--accent, #58a6ff); }
.limits table { border-collapse: collapse; width: 100%; }
.limits th { font-weight: 400; color: var(--muted, #9da7b3); text-align: left; padding: 2px 6px 2px 0; white-space: nowrap; }
.limits td { padding: 2px 0 2px 6px; }
.limits input { width: 100%; min-height: 24px; padding: 1px 6px; font: 12px var(--mono, monospace); color: var(--text, #e6edf3);
  background: var(--page, #0d1117); border: 1px solid var(--line, #30363d); border-radius: 4px; }
.limits .foot { display: flex; gap: 8px; align-items: center; margin-top: 8px; color: var(--muted, #9da7b3); }
.limits .foot button { margin-left: auto; min-height: 24px; padding: 1px 9px; }
.limits .foot button + button { margin-left: 0; }
`;

export class LimitsPanel {
  /**
   * @param {any} mosaic
   * @param {{ onClose?: (on: boolean) => void }} [more]
   */
  constructor(mosaic, { onClose = () => {} } = {}) {
    this.mosaic = mosaic;
    this.onClose = onClose;
    /** @type {any} */
    this.box = document.createElement('div');
    this.box.className = 'limits';
    this.box.hidden = true;
    this.box.dataset.noPick = '';
    this.box.setAttribute('role', 'group');
    this.box.setAttribute('aria-label', 'limits of the stretch');
    const row = (name, title) => `<tr><th scope="row">${title}</th>${['sigmas', 'unit'].map(kind =>
      `<td><input inputmode="decimal" data-limit="${name}" data-kind="${kind}" aria-label="${title} limit, ${kind === 'unit' ? 'in the unit of the picture' : 'sky sigmas'}"></td>`).join('')}</tr>`;
    this.box.innerHTML = `<style>${STYLE}</style>
      <div class="plot"><canvas width="612" height="124" role="img" aria-label="histogram of the pixels, logarithmic"></canvas>
        <button type="button" class="handle" role="slider" data-handle="0" aria-label="low limit, sigmas"></button>
        <button type="button" class="handle" role="slider" data-handle="1" aria-label="high limit, sigmas"></button></div>
      <table><tr><td></td><th scope="col">σ from the sky</th><th scope="col" data-unit></th></tr>${row('0', 'low')}${row('1', 'high')}</table>
      <div class="foot"><span><span class="key">&lt;</span> <span class="key">&gt;</span> narrower, wider</span>
        <button type="button" data-do="reset">Reset</button><button type="button" data-do="close">Close</button></div>`;
    mosaic.root.append(this.box);
    this.listen();
    mosaic.onChange(({ kind }) => { if (this.open && kind !== 'view') this.draw(); });
  }

  get open() { return !this.box.hidden; }

  toggle(on = !this.open) {
    const inside = this.box.contains(this.box.getRootNode().activeElement);
    this.box.hidden = !on;
    if (on) this.draw();
    else if (inside) this.mosaic.root.focus({ preventScroll: true });
    this.onClose(on);
  }

  // ---- what the limits are

  scales() {
    const picture = this.mosaic.shown();
    const how = picture && this.mosaic.how(picture.header);
    return picture ? { picture, how, header: picture.header, sigma: picture.header.sigma, sky: how.ownSky ? 0 : picture.header.sky } : null;
  }

  limits() {
    const { stretch, limits } = this.mosaic.options;
    const fixed = { ...STRETCHES[stretch], ...(this.mosaic.shown()?.header.stretches?.[stretch] ?? {}) };
    return limits ?? [fixed.low, fixed.high];
  }

  set(which, sigmas) {
    if (!Number.isFinite(sigmas)) return this.draw();
    const limits = [...this.limits()];
    limits[which] = which ? Math.max(sigmas, limits[0] + LEAST) : Math.min(sigmas, limits[1] - LEAST);
    this.mosaic.setLimits(...limits.map(rounded));
  }

  // Makes the limits narrower (factor below 1) or wider about the sky.
  widen(factor) {
    this.mosaic.setLimits(...this.limits().map(limit => rounded(limit * factor)));
  }

  // ---- the panel

  listen() {
    this.box.addEventListener('keydown', event => {
      event.stopPropagation();
      const handle = event.target.dataset.handle;
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 5, PageDown: -5 }[event.key];
      if (event.key === 'Escape') { event.preventDefault(); this.toggle(false); }
      if (handle === undefined || !step) return;
      event.preventDefault();
      this.set(Number(handle), sigmasAt(at(this.limits()[handle]) + step / 100));
    });
    this.box.addEventListener('change', ({ target: { dataset, value } }) => {
      const number = Number(value.replace('−', '-').replace(',', '.'));
      const scales = this.scales();
      if (scales && value.trim()) this.set(Number(dataset.limit), dataset.kind === 'unit' ? (number - scales.sky) / scales.sigma : number);
      else this.draw();
    });
    this.box.addEventListener('click', event => {
      const act = event.target.closest('button')?.dataset.do;
      event.stopPropagation();
      if (act === 'reset') this.mosaic.setLimits(null);
      if (act === 'close') this.toggle(false);
    });
    const plot = this.box.querySelector('.plot');
    plot.addEventListener('pointerdown', event => {
      const share = this.share(event), limits = this.limits();
      this.held = Math.abs(share - at(limits[0])) <= Math.abs(share - at(limits[1])) ? 0 : 1;
      plot.setPointerCapture(event.pointerId);
      this.set(this.held, sigmasAt(share));
      event.stopPropagation();
    });
    plot.addEventListener('pointermove', event => { if (this.held !== undefined && event.buttons) this.set(this.held, sigmasAt(this.share(event))); });
    plot.addEventListener('pointerup', () => { this.held = undefined; });
  }

  share(event) {
    const bounds = this.box.querySelector('.plot').getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - bounds.left) / bounds.width));
  }

  draw() {
    const scales = this.scales();
    if (!scales) return;
    const limits = this.limits();
    this.box.querySelector('[data-unit]').textContent = scales.sky ? scales.header.unit : `${scales.header.unit} from the sky`;
    for (const input of this.box.querySelectorAll('input')) {
      const sigmas = limits[input.dataset.limit];
      if (input !== input.getRootNode().activeElement || !input.matches(':focus') || !this.box.dataset.typing)
        input.value = rounded(input.dataset.kind === 'unit' ? scales.sky + sigmas * scales.sigma : sigmas);
    }
    for (const handle of this.box.querySelectorAll('.handle')) {
      const sigmas = limits[handle.dataset.handle];
      handle.style.left = `${100 * Math.min(1, Math.max(0, at(sigmas)))}%`;
      handle.setAttribute('aria-valuenow', rounded(sigmas));
      handle.setAttribute('aria-valuemin', REACH[0]);
      handle.setAttribute('aria-valuemax', REACH[1]);
    }
    this.drawHistogram(scales, limits);
  }

  drawHistogram({ picture, how }, limits) {
    const counts = histogram(picture, how, this.mosaic.options.scaleMode);
    const canvas = this.box.querySelector('canvas');
    const context = canvas.getContext('2d');
    const { width, height } = canvas;
    const style = getComputedStyle(this.box);
    context.clearRect(0, 0, width, height);
    context.fillStyle = style.getPropertyValue('--raised') || '#21262d';
    context.fillRect(at(limits[0]) * width, 0, (at(limits[1]) - at(limits[0])) * width, height);
    const most = Math.log1p(Math.max(...counts, 1));
    context.fillStyle = style.getPropertyValue('--muted') || '#9da7b3';
    counts.forEach((count, i) => {
      const tall = (height - 22) * Math.log1p(count) / most;
      context.fillRect(i * width / BINS, height - 18 - tall, width / BINS - 1, tall);
    });
    context.font = '18px system-ui, sans-serif';
    context.textAlign = 'center';
    for (const sigmas of [-5, 0, 5, 20, 100]) context.fillText(`${sigmas}`.replace('-', '−'), at(sigmas) * width, height - 2);
  }
}

// Counts of the picture's pixels (of its blocks, in the sky view) along the panel's axis: (120,) numbers.
export function histogram({ header, pixels, blocks }, how, scaleMode = 'all') {
  const codes = how.blocks ? blocks : pixels;
  const scale = how.blocks ? header.blocks : header;
  const layer = scale.columns * scale.rows;
  const counts = new Array(BINS).fill(0);
  const skies = header.ccds.map(ccd => (how.ownSky ? (how.blocks ? ccd.block_sky ?? ccd.sky : ccd.sky) : header.sky));
  const sigmas = header.ccds.map(ccd => (scaleMode === 'ccd' && !how.blocks ? ccd.sigma : header.sigma));
  const step = Math.max(1, Math.floor(codes.length / SAMPLES));
  for (let i = 0; i < codes.length; i += step) {
    if (!codes[i]) continue;
    const k = Math.floor(i / layer);
    const share = at((scale.zero + scale.step * codes[i] - skies[k]) / sigmas[k]);
    if (share >= 0 && share < 1) counts[Math.floor(share * BINS)]++;
  }
  return counts;
}
