// @ts-check
// The small card beside the cursor: picture, name, and what the colourings say about the image.

import { entryOf } from './shared.js';

const WAIT_MS = 60;      // the picture is asked for when the cursor has rested for this long
const KEPT = 200;        // pictures

export class Card {
  constructor(box, thumb) {
    this.thumb = thumb;                       // () => address of a picture, with {image_id}
    this.ready = new Map();                   // address -> Image, the last ones
    this.node = document.createElement('div');
    this.node.className = 'map-card';
    this.node.hidden = true;
    this.node.setAttribute('role', 'tooltip');
    this.node.innerHTML = '<div class="picture"><img alt=""></div><div class="name"></div><div class="facts"></div>';
    this.picture = this.node.querySelector('img');
    box.append(this.node);
    this.shown = -1;
  }

  show(set, i, x, y, known) {
    const box = this.node.parentElement.getBoundingClientRect();
    if (i !== this.shown) {
      this.shown = i;
      this.node.querySelector('.name').textContent = set.name(i);
      this.node.querySelector('.facts').replaceChildren(...factsOf(known, i));
      clearTimeout(this.timer);
      const id = set.imageId(i);
      const here = id >= 0 && this.ready.get(this.address(id));
      if (here?.complete && here.naturalWidth) this.put(here);
      else {
        this.picture.style.opacity = '0';
        this.timer = setTimeout(() => { if (id >= 0) this.fetch(id).decode().then(() => { if (this.shown === i) this.put(this.ready.get(this.address(id))); }, () => {}); }, WAIT_MS);
      }
    }
    this.node.hidden = false;
    const { offsetWidth: w, offsetHeight: h } = this.node;
    this.node.style.left = `${x + 18 + w > box.width ? Math.max(4, x - 18 - w) : x + 18}px`;
    this.node.style.top = `${Math.min(Math.max(4, y - h / 2), Math.max(4, box.height - h - 4))}px`;
  }

  address(id) { return this.thumb().replace('{image_id}', id); }

  put(image) {
    if (!image) return;
    if (this.picture.getAttribute('src') !== image.getAttribute('src')) this.picture.src = image.getAttribute('src');
    this.picture.style.opacity = '1';
  }

  fetch(id) {
    const address = this.address(id);
    let image = this.ready.get(address);
    if (!image) {
      image = new Image();
      image.src = address;
      this.ready.set(address, image);
      if (this.ready.size > KEPT) this.ready.delete(this.ready.keys().next().value);
    }
    return image;
  }

  prefetch(ids) { for (const id of ids) if (id >= 0) this.fetch(id); }

  hide() {
    clearTimeout(this.timer);
    this.shown = -1;
    this.node.hidden = true;
  }
}

// known : Colours that are loaded already; the card itself loads none.
function factsOf(known, i) {
  return known.map(colours => {
    const code = colours.codes[i];
    const entry = entryOf(colours, code);
    const line = document.createElement('div');
    const swatch = document.createElement('i');
    swatch.style.background = colours.palette[code] || 'transparent';
    const value = colours.kind === 'continuous' && code > 0
      ? ((code - 1) / 254).toFixed(2)
      : entry?.name || '';
    const title = document.createElement('span');
    title.textContent = colours.title;
    line.append(swatch, value, title);
    return line;
  });
}
