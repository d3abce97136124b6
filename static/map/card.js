// The little card beside the cursor: picture, name, and what the colours say about the image.

import { entryOf } from './shared.js';

const WAIT_MS = 60;      // the picture is asked for only where the cursor rests

export class Card {
  constructor(box, thumb) {
    this.thumb = thumb;                       // address of a picture, with {image_id}
    this.node = document.createElement('div');
    this.node.className = 'map-card';
    this.node.hidden = true;
    this.node.setAttribute('role', 'tooltip');
    this.node.innerHTML = '<div class="picture"><img alt=""></div><div class="name"></div><div class="facts"></div>';
    this.picture = this.node.querySelector('img');
    this.picture.addEventListener('load', () => { this.picture.style.opacity = 1; });
    box.append(this.node);
    this.shown = -1;
  }

  show(set, i, x, y, known) {
    const box = this.node.parentNode.getBoundingClientRect();
    if (i !== this.shown) {
      this.shown = i;
      this.node.querySelector('.name').textContent = set.name(i);
      this.node.querySelector('.facts').replaceChildren(...factsOf(known, i));
      this.picture.style.opacity = 0;
      clearTimeout(this.timer);
      const id = set.imageId(i);
      this.timer = setTimeout(() => {
        if (this.shown === i && id >= 0) this.picture.src = this.thumb.replace('{image_id}', id);
      }, WAIT_MS);
    }
    this.node.hidden = false;
    const { offsetWidth: w, offsetHeight: h } = this.node;
    this.node.style.left = `${x + 18 + w > box.width ? Math.max(4, x - 18 - w) : x + 18}px`;
    this.node.style.top = `${Math.min(Math.max(4, y - h / 2), Math.max(4, box.height - h - 4))}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.shown = -1;
    this.node.hidden = true;
  }
}

// known: Colours that are here already; the card itself asks for none.
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
