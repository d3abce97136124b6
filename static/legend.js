// The bar across the Explore room: what colours mean, how many images have each, and a click to see one class alone.

import { pageOf } from './map/shared.js';
import { plain } from './map/furniture.js';

export function mountLegend(el, model) {
  const page = pageOf(model.page_key);
  const stop = new AbortController();
  const heard = { signal: stop.signal };
  const root = document.createElement('div');
  root.className = 'legend';
  root.innerHTML = `<link rel="stylesheet" href="${new URL('map.css', import.meta.url)}">
    <label class="by">colour by <select aria-label="Colour by"></select></label>
    <div class="ramp" hidden><span>0</span><i></i><span>1</span></div>
    <div class="chips" role="group" aria-label="Classes; a click shows one alone"></div>`;
  el.append(root);
  const select = root.querySelector('select');
  const options = plain(model.options);
  select.append(...Object.entries(options).map(([value, text]) => new Option(text, value)));
  select.value = model.colour_by;
  select.addEventListener('change', () => {
    page.show(select.value);
    model.colour_by = select.value;
    model.isolate = [];
    select.blur();
  });
  page.addEventListener('colours', () => draw(root, page, model), heard);
  page.addEventListener('isolate', () => mark(root, page), heard);
  page.addEventListener('colour-by', () => { select.value = page.colourBy; }, heard);
  model.on('colour_by', () => page.show(model.colour_by));
  model.on('colour_urls', () => page.setUrls(plain(model.colour_urls)));
  page.setUrls(plain(model.colour_urls));
  page.show(model.colour_by);
  if (page.colours) draw(root, page, model);
  return () => stop.abort();
}

export const mount = mountLegend;

function draw(root, page, model) {
  const { entries, kind, palette } = page.colours;
  const chips = root.querySelector('.chips');
  const focused = chips.getRootNode().activeElement?.dataset?.label;
  chips.replaceChildren(...entries.filter(entry => entry.count).map(entry => makeChip(entry, kind, palette, page, model)));
  const ramp = root.querySelector('.ramp');
  ramp.hidden = kind !== 'continuous';
  if (kind === 'continuous') {
    const stops = palette.slice(1).filter((_, k) => k % 16 === 0 || k === 253);
    ramp.querySelector('i').style.background = `linear-gradient(90deg, ${stops.join(', ')})`;
  }
  if (focused) [...chips.children].find(chip => chip.dataset.label === focused)?.focus();
  mark(root, page);
  root.dataset.ready = '1';
  root.dataset.colourBy = page.colours.colour_by;
}

function makeChip(entry, kind, palette, page, model) {
  const chip = document.createElement('button');
  chip.type = 'button';
  chip.className = 'chip';
  chip.dataset.label = entry.label;
  chip.title = `${entry.rule || entry.name}. Click: show only these. Shift and click: these as well. Click again: all.`;
  const swatch = document.createElement('i');
  const last = palette[entry.last];
  swatch.style.background = entry.first === entry.last ? entry.colour : `linear-gradient(90deg, ${palette[entry.first]}, ${last})`;
  const letter = document.createElement('kbd');
  letter.textContent = entry.letter;
  const count = document.createElement('span');
  count.textContent = entry.count.toLocaleString('en');
  chip.append(swatch, ...(entry.letter ? [letter] : []), entry.name, count);
  chip.addEventListener('click', event => {
    page.isolate(nextIsolated(page.isolated, entry.label, event.shiftKey));
    model.isolate = page.isolated;
  });
  return chip;
}

// A click shows a class alone, a second click all again; with Shift a class joins or leaves.
export function nextIsolated(isolated, label, joined) {
  if (joined) return isolated.includes(label) ? isolated.filter(one => one !== label) : [...isolated, label];
  return isolated.length === 1 && isolated[0] === label ? [] : [label];
}

function mark(root, page) {
  for (const chip of root.querySelectorAll('.chip')) {
    const shown = !page.isolated.length || page.isolated.includes(chip.dataset.label);
    chip.classList.toggle('alone', shown && page.isolated.length > 0);
    chip.setAttribute('aria-pressed', shown);
  }
}
