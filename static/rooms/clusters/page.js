// @ts-check
// Draws the Clusters room: rows with pictures and stacked bars at the left, the open cluster at the right.

import { expnumOf } from '../../basics/image_ids.js';
import { pictureHtml } from '../../basics/has_pictures.js';
import { dateOf } from '../../basics/when.js';
import { SORTS } from './sorts.js';

const STRETCH_NAMES = { faint: 'faint sky', stars: 'stars', sky: 'sky map' };
const UNKNOWN = '#5b6470';
const WIDE_ENOUGH = 0.07;  // a part of a bar with at least this share has room for its letter
const number = value => value.toLocaleString('en');
const percent = (some, all) => (all ? `${Math.round(100 * some / all)} %` : '0 %');
const text = value => String(value ?? '').replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const plain = name => text(String(name).replaceAll('_', ' '));
const many = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;

export class ClustersPage {
  /** @returns {Part} */
  part(name) { return this.box.querySelector(`[data-part=${name}]`); }

  draw() {
    const sheet = document.createElement('link');
    sheet.rel = 'stylesheet';
    sheet.href = `${this.model.assets_base}/rooms/clusters/clusters.css`;
    const loaded = new Promise(resolve => { sheet.onload = sheet.onerror = resolve; });
    this.box.replaceChildren(sheet);
    this.box.insertAdjacentHTML('beforeend', `<div class="clusters">
      <section class="list" aria-label="clusters">
        <div class="tools" data-part="tools"></div>
        <div class="rows" data-part="rows" role="listbox" tabindex="0" aria-label="Clusters. Arrow keys open the next one."><p class="note" role="option" aria-selected="false">Counting what is in each cluster… In a large run that takes a few seconds; without a connection it goes on by itself.</p></div>
      </section>
      <section class="one" aria-label="the open cluster">
        <header data-part="head"></header>
        <div class="grid" data-part="grid" tabindex="0" role="group" aria-label="exposures of the cluster"></div>
      </section></div>`);
    this.box.dataset.room = 'clusters';
    this.box.addEventListener('click', event => this.clicked(event));
    this.part('grid').addEventListener('scroll', () => {
      const { scrollTop, clientHeight, scrollHeight } = this.part('grid');
      if (scrollTop + 2 * clientHeight > scrollHeight) this.more();
    });
    return loaded;
  }

  clicked(event) {
    const row = event.target.closest('[data-cluster]');
    const button = event.target.closest('button');
    const verbs = { map: () => this.onMap(), judge: () => this.judge(), whole: () => this.setPictures(false), ccds: () => this.setPictures(true), stretch: () => this.setStretch() };
    if (button?.dataset.expnum) this.look(Number(button.dataset.expnum));
    else if (button?.dataset.verb) verbs[button.dataset.verb]();
    else if (row) this.choose(Number(row.dataset.cluster));
  }

  // ---- tools: order and filters

  drawTools() {
    const { answer } = this;
    const reasons = new Set(answer.clusters.flatMap(one => [...Object.keys(one.labels), ...Object.keys(one.predicted)]));
    const options = answer.reasons.filter(reason => reasons.has(reason.name)).map(({ name }) => `<option value="${name}"${name === this.reason ? ' selected' : ''}>${plain(name)}</option>`);
    const sorts = Object.entries(SORTS).map(([name, [words]]) => `<option value="${name}"${name === this.sort ? ' selected' : ''}>${words}</option>`);
    const shown = this.list().length;
    const told = this.part('tools').contains(this.box.getRootNode().activeElement) ? this.box.getRootNode().activeElement.dataset.tool : '';
    this.part('tools').innerHTML = `
      <label>Order <select data-tool="sort">${sorts.join('')}</select></label>
      <label>With <select data-tool="reason"><option value="">any reason</option>${options.join('')}</select></label>
      <label>Mean bad <select data-tool="least">${[0, 0.25, 0.5, 0.9].map(least => `<option value="${least}"${least === this.least ? ' selected' : ''}>${least ? `${least} and above` : 'any'}</option>`).join('')}</select></label>
      ${answer.can_vote ? `<label class="check"><input type="checkbox" data-tool="unjudged"${this.unjudged ? ' checked' : ''}> not all judged by me</label>` : ''}
      <span class="muted count">${shown === answer.clusters.length ? `${number(shown)} clusters` : `${number(shown)} of ${number(answer.clusters.length)} clusters`}</span>
      ${answer.n_clustered ? `<span class="muted count" title="Each other image is in the cluster of the clustered images that it lies among.">found among ${number(answer.n_clustered)} of ${many(answer.n_images, 'image')}; the others are placed among them</span>` : ''}`;
    const values = { sort: node => node.value, reason: node => node.value, least: node => Number(node.value), unjudged: node => node.checked };
    for (const node of this.part('tools').querySelectorAll('[data-tool]')) node.onchange = () => this.filter({ [node.dataset.tool]: values[node.dataset.tool](node) });
    if (told) this.part('tools').querySelector(`[data-tool=${told}]`).focus();
  }

  // ---- the list

  drawList() {
    const list = this.list();
    const { noise } = this.answer;
    const rows = list.map(row => this.rowHtml(row));
    if (!rows.length && this.answer.clusters.length) rows.push('<p class="note" role="option" aria-selected="false">No cluster is like that. Widen the filters above.</p>');
    if (noise) rows.push(this.rowHtml(noise));
    const { scrollTop } = this.part('rows');
    this.part('rows').innerHTML = rows.join('');
    this.part('rows').scrollTop = scrollTop;
    this.markOpen();
  }

  rowHtml(row) {
    const name = row.cluster < 0 ? 'in no cluster' : `cluster ${row.cluster}`;
    const judged = this.answer.judged_means && row.judged !== null ? ` · ${percent(row.judged, row.n_exposures)} ${this.answer.judged_means === 'panel' ? 'by all' : 'by anybody'}` : '';
    const mine = this.answer.can_vote ? `${percent(row.mine, row.n_exposures)} judged by you${judged}` : judged.slice(3);
    const pictures = row.pictures.map(id => this.thumbHtml(id, 'width="88" height="44"'));
    return `<article class="row${row.cluster < 0 ? ' apart' : ''}" role="option" data-cluster="${row.cluster}" aria-selected="false" aria-label="${name}, ${many(row.n_images, 'image')} of ${many(row.n_exposures, 'exposure')}">
      <div class="what"><b><i class="dot" style="background:${row.colour}"></i>${name}</b>
        <span>${many(row.n_images, 'image')}</span><span>${many(row.n_exposures, 'exposure')}</span>
        <span>${row.p_bad === null ? '' : `${row.p_bad.toFixed(2)} bad`}</span></div>
      <div class="made"><div class="pictures">${pictures.join('')}</div>
        ${this.barHtml('labels', row.labels, row.n_images, this.answer.colours, this.answer.letters)}
        ${this.barHtml('model', row.predicted, row.n_images, this.answer.colours, this.answer.letters)}
        <div class="last">${this.barHtml('bands', row.bands, row.n_exposures, this.answer.band_colours)}<span class="muted">${many(row.nights.n, 'night')}${mine ? ` · ${mine}` : ''}</span></div>
      </div></article>`;
  }

  // A stacked bar of counts. Each part has its colour and, if there is room, its letter. The rest up to `all` stays empty.
  barHtml(name, counts, all, colours, letters = null) {
    const parts = Object.entries(counts).map(([key, count]) => {
      const share = all ? count / all : 0;
      const letter = share >= WIDE_ENOUGH ? text(letters ? letters[key] ?? '' : key) : '';
      const colour = colours[key] || UNKNOWN;
      return `<i style="width:${100 * share}%;background:${colour};color:${readableOn(colour)}" title="${plain(key)}: ${number(count)}">${letter}</i>`;
    });
    const said = Object.entries(counts).map(([key, count]) => `${count} ${plain(key)}`).join(', ') || 'none';
    return `<div class="stack"><span>${name}</span><div class="bar" role="img" aria-label="${name}: ${said}">${parts.join('')}</div></div>`;
  }

  markOpen() {
    for (const row of this.box.querySelectorAll('[data-cluster]')) {
      const here = Number(row.dataset.cluster) === this.open?.cluster;
      if (here && row.getAttribute('aria-selected') !== 'true') row.scrollIntoView({ block: 'nearest' });
      row.setAttribute('aria-selected', String(here));
    }
    this.box.dataset.cluster = this.open?.cluster ?? '';
  }

  // ---- the open cluster

  drawHead() {
    const { open: row, answer } = this;
    const name = row.cluster < 0 ? 'In no cluster' : `Cluster ${row.cluster}`;
    const left = row.n_exposures - row.mine;
    const nights = row.nights.n ? `${many(row.nights.n, 'night')}, ${dateOf(row.nights.first)}${row.nights.n > 1 ? ` to ${dateOf(row.nights.last)}` : ''}${row.nights.n < 2 ? '' : `; most on ${row.nights.most.map(([night, count]) => `${dateOf(night)} (${count})`).join(', ')}`}` : '';
    const legend = (title, counts) => Object.keys(counts).length ? `<p><span class="muted">${title}</span> ${Object.entries(counts).map(([key, count]) => `<span class="entry"><i class="dot" style="background:${answer.colours[key] || UNKNOWN}"></i>${plain(key)} ${number(count)}</span>`).join(' ')}</p>` : '';
    const judge = answer.can_vote && row.cluster >= 0;
    const can = judge ? `<button class="primary" data-verb="judge"${left ? '' : ' disabled'}><span class="key">a</span>${left ? `Judge the ${number(left)} not judged by you…` : 'You have judged them all'}</button>` : '';
    this.part('head').innerHTML = `<div class="line"><h1><i class="dot" style="background:${row.colour}"></i>${name}</h1>
        <span class="push"></span>
        <button data-verb="map"><span class="key">o</span>On the map</button>${can}</div>
      <p class="muted">${many(row.n_images, 'image')} of ${many(row.n_exposures, 'exposure')}${row.p_bad === null ? '' : ` · mean probability of bad ${row.p_bad.toFixed(2)}${row.n_opinions < row.n_images ? `, over the ${number(row.n_opinions)} you may know` : ''}`}${nights ? ` · ${nights}` : ''}</p>
      ${legend('Labels', row.labels)}${legend('Model', row.predicted)}
      <div class="line looking" role="toolbar" aria-label="looking">
        <button class="quiet" data-verb="whole" aria-pressed="${!this.ccds}"><span class="key">m</span>whole exposures</button><button class="quiet" data-verb="ccds" aria-pressed="${this.ccds}">the cluster’s CCDs</button>
        <button class="quiet" data-verb="stretch"><span class="key">s</span>stretch <b>${STRETCH_NAMES[this.stretch]}</b></button>
        <span class="push"></span><span class="muted">most CCDs in the cluster first; click one to ${answer.can_vote ? 'review' : 'see'} it</span></div>`;
  }

  drawGrid(state = '') {
    const grid = this.part('grid');
    grid.classList.toggle('ccds', this.ccds);
    grid.dataset.state = state || 'shown';
    if (state === 'failed') { grid.innerHTML = '<p class="note">The exposures did not arrive. Check the connection, then open the cluster again.</p>'; return; }
    if (state === 'loading') {
      const n = Math.min(this.open.n_exposures, 24);
      grid.scrollTop = 0;
      grid.innerHTML = '<div class="tile waiting"><span class="picture"></span><span class="caption">&nbsp;</span></div>'.repeat(n);
      return;
    }
    grid.innerHTML = '';
    this.addToGrid(this.exposures);
  }

  addToGrid(exposures) {
    this.part('grid').insertAdjacentHTML('beforeend', exposures.map(one => this.tileHtml(one)).join(''));
  }

  tileHtml({ expnum, facts, images, n_images: n, n_ccds: all, p_bad: bad, mine }) {
    const pictures = this.ccds ? images.slice(0, 2).map(id => this.thumbHtml(id)).join('')
      : pictureHtml(expnum, `picture/mosaic/${expnum}.jpg?s=${this.stretch}&w=260&v=${this.model.picture_version}`, 'alt="" loading="lazy"');
    const said = mine ? `<b class="j-${mine.judgement}">${mine.judgement}</b>` : '';
    return `<button class="tile" data-expnum="${expnum}" aria-label="exposure ${expnum}, ${n} of ${all} CCDs in the cluster${mine ? `, you said ${mine.judgement}` : ''}"><span class="picture">${pictures}</span>
      <span class="caption"><b class="mono">${expnum}</b>${said}</span><span class="caption">${text(facts)}</span>
      <span class="caption"><span>${n} of ${all} CCDs</span><span>${bad === null ? '' : `${bad.toFixed(2)} bad`}</span></span></button>`;
  }

  thumbHtml(id, more = '') {
    const address = `picture/thumb/${id}?s=${this.stretch}&v=${this.model.picture_version}`;
    return pictureHtml(expnumOf(id), address, `alt="" loading="lazy" ${more}`);
  }

  // ---- nothing to show

  drawNone() {
    this.box.querySelector('.clusters').innerHTML = '<div class="empty whole"><strong>There are no clusters yet.</strong><span>They are found by <span class="mono">triptych cluster RUN</span>; then every group of similar images has a row here.</span></div>';
  }

  drawFailed() {
    this.part('rows').innerHTML = '<p class="note" role="option" aria-selected="false">The clusters did not arrive. Check the connection, then open the room again.</p>';
    this.stale = true;
  }
}

// Colour of letters, dark or white, that is readable on a background colour (#rrggbb).
function readableOn(colour) {
  const [r, g, b] = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16) / 255).map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.185 ? '#ffffff' : '#0d1117';
}
