// @ts-check
// The map's toolbar, messages and outlines: only elements, no data.

const BUTTONS = [
  ['dims', 2, '2-D', '2', 'Flat map'],
  ['dims', 3, '3-D', '3', 'Solid map: drag turns it, right drag moves it'],
  ['tool', 'pan', 'Pan', 'p', 'Drag moves the map (turns it in 3-D); Shift and drag draws a lasso'],
  ['tool', 'lasso', 'Lasso', 'l', 'Draw around points; Shift adds, Alt subtracts. In 3-D it takes everything behind the outline'],
  ['tool', 'box', 'Box', 'b', 'Drag a rectangle; Shift adds, Alt subtracts'],
  ['labels', '', 'Names', 't', 'Names of the classes where their points are densest'],
  ['reset', '', 'Reset', '0', 'The whole map again'],
];

export function furnish(el, acts) {
  const root = document.createElement('div');
  root.className = 'map';
  root.innerHTML = `<link rel="stylesheet" href="${new URL('./map.css', import.meta.url)}">
    <div class="map-bar" role="toolbar" aria-label="Map">
      <div class="buttons"></div>
    </div>
    <div class="stage">
      <div class="surface" tabindex="0" role="application" aria-label="Map of CCD images. Arrow keys move it, plus and minus zoom, Enter picks the point in the middle, Escape clears the selection.">
        <canvas></canvas>
        <svg class="outline" aria-hidden="true"><path></path></svg>
        <div class="cross" aria-hidden="true"></div>
      </div>
      <div class="count" role="status"><span class="all"></span><button type="button" class="chosen" title="Clear the selection" hidden></button></div>
      <div class="bar" hidden><i></i></div>
      <div class="state" role="status" hidden><p></p><button type="button">Try again</button></div>
      <div class="note" role="status" hidden></div>
    </div>`;
  el.append(root);
  const find = selector => root.querySelector(selector);
  const buttons = BUTTONS.map(([kind, value, text, key, title]) => makeButton(acts, kind, value, text, key, title));
  find('.buttons').append(...buttons);
  find('.state button').addEventListener('click', () => acts.retry());
  find('.chosen').addEventListener('click', () => acts.clear());
  return {
    root, stage: find('.stage'), surface: find('.surface'), canvas: find('canvas'),
    mark(tool, dims, labels = root.dataset.labels !== 'off') {
      root.dataset.labels = labels ? 'on' : 'off';
      root.dataset.tool = tool;
      root.dataset.dims = dims;
      for (const button of buttons) {
        const { kind, value } = button.dataset;
        const pressed = { dims: value === String(dims), tool: value === tool, labels }[kind];
        if (kind !== 'reset') button.setAttribute('aria-pressed', pressed);
      }
    },
    offer(dims, there) {
      const button = buttons.find(one => one.dataset.kind === 'dims' && one.dataset.value === String(dims));
      button.disabled = !there;
      if (!there) button.title = `No ${dims}-D map yet: run triptych map RUN --dims ${dims}`;
    },
    count(all, chosen) {
      find('.all').textContent = all;
      find('.chosen').hidden = !chosen;
      find('.chosen').innerHTML = chosen ? `${chosen} <kbd class="key">Esc</kbd>` : '';
    },
    state(kind, text) {
      root.dataset.state = kind;
      find('.state').hidden = !kind;
      find('.state p').textContent = text;
      find('.state button').hidden = kind !== 'error';
      find('.bar').hidden = kind !== 'loading';
    },
    progress(share) { find('.bar i').style.transform = `scaleX(${share})`; },
    note(text) { find('.note').textContent = text; find('.note').hidden = !text; },
    outline(kind, points) { find('.outline path').setAttribute('d', pathOf(kind, points)); },
  };
}

function makeButton(acts, kind, value, text, key, title) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.kind = kind;
  button.dataset.value = value;
  button.title = title;
  button.innerHTML = `${text} <kbd class="key">${key}</kbd>`;
  button.addEventListener('click', () => acts[kind](value));
  return button;
}

function pathOf(kind, points) {
  if (!kind) return '';
  if (kind === 'lasso') return `M${points.map(point => point.join(' ')).join('L')}Z`;
  const [[x0, y0], [x1, y1]] = points;
  return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
}
