// @ts-check
// The bar across the Explore room: the meaning of the colours, how many images have each, and how many of those are
// selected. A click shows one class alone, Shift and click several. Classes that do not fit into the line are in the list
// behind "more" (or `o`).

import { listen } from '../frame/keys.js';
import { plain } from '../basics/plain.js';
import { pageOf } from './shared.js';

const BY_COUNT = new Set(['reason', 'prediction', 'cluster']);   // colourings whose classes are sorted by count

export function mountLegend(el, model) {
  const legend = new Legend(el, model);
  return () => legend.close();
}

export const mount = mountLegend;

class Legend {
  constructor(el, model) {
    this.model = model;
    this.page = pageOf(model.page_key);
    this.stop = new AbortController();
    const heard = { signal: this.stop.signal };
    const root = this.root = document.createElement('div');
    root.className = 'legend';
    root.innerHTML = `<link rel="stylesheet" href="${new URL('./map.css', import.meta.url)}">
      <label class="by">colour by <select aria-label="Colour by"></select></label>
      <div class="ramp" hidden><span>0</span><i></i><span>1</span></div>
      <div class="chips" role="toolbar" aria-label="Classes: click one to see it alone, Shift and click for several"></div>
      <button type="button" class="more" aria-haspopup="dialog" aria-expanded="false" hidden></button>
      <div class="list" popover="auto" role="dialog" aria-label="All classes"></div>`;
    el.append(root);
    const find = selector => root.querySelector(selector);
    this.parts = { select: find('select'), chips: find('.chips'), more: find('.more'), list: find('.list'), ramp: find('.ramp') };
    const { select, more, list } = this.parts;
    select.append(...Object.entries(plain(model.options)).map(([value, text]) => new Option(text, value)));
    select.value = model.colour_by;
    select.addEventListener('change', () => {
      this.page.show(select.value);
      model.colour_by = select.value;
      model.isolate = [];
      select.blur();
    });
    more.addEventListener('click', () => this.toggleList());
    list.addEventListener('toggle', event => {
      more.setAttribute('aria-expanded', String(event.newState === 'open'));
      if (event.newState === 'closed' && list.contains(list.getRootNode().activeElement)) more.focus();
    });
    for (const box of [this.parts.chips, list]) {
      box.addEventListener('keydown', event => this.arrows(event));
      box.addEventListener('click', event => this.clicked(event));
    }
    this.page.addEventListener('colours', () => this.draw(), heard);
    for (const type of ['isolate', 'chosen']) this.page.addEventListener(type, () => this.mark(), heard);
    this.page.addEventListener('colour-by', () => { select.value = this.page.colourBy; }, heard);
    model.on('colour_by', () => this.page.show(model.colour_by));
    model.on('colour_urls', () => this.page.setUrls(plain(model.colour_urls)));
    this.stopKeys = listen(key => {
      if (key !== 'o' || !root.getClientRects().length || document.querySelector('dialog[open]') || !this.page.colours) return false;
      this.toggleList();
      return true;
    });
    this.resizing = new ResizeObserver(() => this.fit());
    this.resizing.observe(root);
    this.page.setUrls(plain(model.colour_urls));
    this.page.show(model.colour_by);
    if (this.page.colours) this.draw();
  }

  draw() {
    const { entries, kind, palette, colour_by: colourBy } = this.page.colours;
    const here = entries.filter(entry => entry.count);
    this.entries = BY_COUNT.has(colourBy) ? here.sort((a, b) => a.quiet - b.quiet || b.count - a.count) : here;
    this.missing = entries.filter(entry => !entry.count && !entry.quiet);
    const { chips, ramp } = this.parts;
    const focused = chips.getRootNode().activeElement?.dataset?.label;
    this.chips = this.entries.map(entry => makeChip(entry, palette));
    chips.replaceChildren(...this.chips);
    ramp.hidden = kind !== 'continuous';
    if (kind === 'continuous') {
      const stops = palette.slice(1).filter((_, k) => k % 16 === 0 || k === 253);
      ramp.querySelector('i').style.background = `linear-gradient(90deg, ${stops.join(', ')})`;
    }
    if (focused) this.chips.find(chip => chip.dataset.label === focused)?.focus();
    if (this.parts.list.matches(':popover-open')) this.drawList();
    this.mark();
    this.root.dataset.ready = '1';
    this.root.dataset.colourBy = colourBy;
  }

  drawList() {
    const { palette, title } = this.page.colours;
    const most = Math.max(...this.entries.map(entry => entry.count));
    const rows = this.entries.map(entry => {
      const row = makeChip(entry, palette);
      row.classList.add('row');
      row.insertAdjacentHTML('beforeend', '<em class="bar"><i></i></em>');
      row.querySelector('.bar i').style.cssText = `width:${Math.max(1, 100 * entry.count / most)}%;background:${entry.colour}`;
      return row;
    });
    const head = document.createElement('p');
    head.innerHTML = '<b></b> Click: one alone. <kbd class="key">⇧</kbd> click: several. Again: all.';
    head.querySelector('b').textContent = `${title}:`;
    const rest = document.createElement('p');
    rest.textContent = this.missing.length ? `None here: ${this.missing.map(entry => entry.name || entry.label).join(', ')}.` : '';
    rest.hidden = !this.missing.length;
    this.parts.list.replaceChildren(head, ...rows, rest);
    this.mark();
  }

  toggleList() {
    const { list, more, chips } = this.parts;
    if (list.matches(':popover-open')) { list.hidePopover(); return; }
    this.drawList();
    list.showPopover();
    const anchor = (more.hidden ? chips : more).getBoundingClientRect();
    const width = list.offsetWidth;
    list.style.left = `${Math.max(8, Math.min(window.innerWidth - width - 8, anchor.right - width))}px`;
    list.style.top = `${anchor.bottom + 6}px`;
    list.querySelector('.chip')?.focus();
  }

  // Show as many chips as fit into the line. The rest is behind "more".
  fit() {
    const { chips, more } = this.parts;
    if (!this.chips?.length || !chips.clientWidth) return;
    for (const chip of this.chips) chip.hidden = false;
    more.hidden = true;
    if (chips.scrollWidth <= chips.clientWidth && !this.missing.length) return;
    more.hidden = false;
    more.textContent = '+88 more ▾';
    // classes that are shown alone come first
    const right = chips.getBoundingClientRect().right;
    const ends = this.chips.map(chip => chip.getBoundingClientRect().right);
    this.chips.forEach((chip, k) => { chip.hidden = ends[k] > right; });
    const left = this.chips.filter(chip => chip.hidden).length;
    more.textContent = left ? `+${left} more ▾` : 'all ▾';
    more.title = 'Every class with its count (o)';
  }

  mark() {
    const { page, parts } = this;
    for (const chip of this.root.querySelectorAll('.chip')) {
      const shown = !page.isolated.length || page.isolated.includes(chip.dataset.label);
      chip.classList.toggle('alone', shown && page.isolated.length > 0);
      chip.setAttribute('aria-pressed', String(shown && page.isolated.length > 0));
      chip.classList.toggle('away', !shown);
      const entry = this.entries.find(one => one.label === chip.dataset.label);
      if (!entry) continue;
      const all = entry.count.toLocaleString('en');
      chip.querySelector('span').textContent = page.chosen ? `${sum(page.chosen, entry).toLocaleString('en')} of ${all}` : all;
    }
    this.tabStops();
    this.fit();
    parts.more.classList.toggle('alone', page.isolated.length > 0 && this.chips?.some(chip => chip.hidden && chip.classList.contains('alone')));
  }

  // The Tab key stops once in this line. Arrow keys go from chip to chip.
  tabStops() {
    const active = this.parts.chips.getRootNode().activeElement;
    (this.chips || []).forEach((chip, k) => { chip.tabIndex = chip === active || (k === 0 && !this.chips.includes(active)) ? 0 : -1; });
  }

  arrows(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const stops = [...event.currentTarget.querySelectorAll('.chip:not([hidden])')];
    const next = stops[stops.indexOf(event.target.closest('.chip')) + step];
    event.preventDefault();
    event.stopPropagation();
    if (next) { next.focus(); this.tabStops(); }
  }

  clicked(event) {
    const chip = event.target.closest('.chip');
    if (!chip) return;
    this.page.isolate(nextIsolated(this.page.isolated, chip.dataset.label, event.shiftKey));
    this.model.isolate = this.page.isolated;
  }

  close() {
    this.stop.abort();
    this.stopKeys();
    this.resizing.disconnect();
  }
}

function makeChip(entry, palette) {
  const chip = document.createElement('button');
  chip.type = 'button';
  chip.className = 'chip';
  chip.dataset.label = entry.label;
  chip.title = `${entry.rule || entry.name}. Click: show only these. Shift and click: these as well. Click again: all.`;
  const swatch = document.createElement('i');
  swatch.style.background = entry.first === entry.last ? entry.colour : `linear-gradient(90deg, ${palette[entry.first]}, ${palette[entry.last]})`;
  const letter = document.createElement('kbd');
  letter.textContent = entry.letter;
  const name = document.createElement('b');
  name.textContent = entry.name || entry.label;
  chip.append(swatch, ...(entry.letter ? [letter] : []), name, document.createElement('span'));
  return chip;
}

function sum(counts, entry) {
  let total = 0;
  for (let code = entry.first; code <= entry.last; code++) total += counts[code];
  return total;
}

// A click shows a class alone, a second click all classes again. Shift and click adds or removes a class.
export function nextIsolated(isolated, label, joined) {
  if (joined) return isolated.includes(label) ? isolated.filter(one => one !== label) : [...isolated, label];
  return isolated.length === 1 && isolated[0] === label ? [] : [label];
}
