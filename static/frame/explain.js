// @ts-check
// Explains a verdict in one panel over the page: the file, labels, model, votes, the line of the list, and what it taught.
//
//   openExplain({ expnum, assisted, policy, stretch, version })
//
// The server sends only what this user may know. Esc closes the panel. The page's address names it while it is open.

import { pictureHtml } from '../basics/has_pictures.js';
import { sendJson } from '../basics/send.js';
import { escapeText as text } from '../basics/text.js';
import { dateOf as day, moment as when } from '../basics/when.js';

const MANY_CCDS = 10, MANY_LINES = 8, MANY_PICTURES = 4;
const POLICIES = ['any', 'majority', 'unanimous', 'posterior'];
const STATES = { superseded: 'replaced later', retracted: 'taken back', annulled: 'annulled' };
const LETTERS = { good: 'g', bad: 'b', unsure: 'u' };
const clear = name => text(String(name).replaceAll('_', ' '));
const count = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;

let opened = null;

export function openExplain(given) {
  opened?.dialog.close();
  opened = new Explanation(given);
  opened.open();
  return opened.dialog;
}

class Explanation {
  constructor({ expnum, assisted = false, policy = 'majority', stretch = 'faint', version = '' }) {
    this.expnum = Number(expnum);
    this.assisted = assisted;
    this.policy = policy;
    this.stretch = stretch;
    this.version = version;
    const dialog = this.dialog = document.createElement('dialog');
    dialog.className = 'explain';
    dialog.dataset.ownKeys = '';
    dialog.dataset.expnum = `${this.expnum}`;
    dialog.setAttribute('aria-label', `Where the verdict on ${this.expnum} comes from`);
    dialog.innerHTML = `<link rel="stylesheet" href="${new URL('./explain.css', import.meta.url)}">
      <header><h1>Where this comes from</h1><span class="id">${this.expnum}</span><span data-part="verdict"></span><span class="push"></span>
        <label>Policy <select data-part="policy">${POLICIES.map(name => `<option${name === policy ? ' selected' : ''}>${name}</option>`).join('')}</select></label>
        <button type="button" class="quiet" data-verb="close"><span class="key">Esc</span> close</button></header>
      <div class="way" tabindex="0" role="region" aria-label="from the file to the line" data-part="way"><p class="note">Reading…</p></div>`;
    dialog.addEventListener('click', event => this.clicked(event));
    dialog.addEventListener('close', () => this.closed());
    this.part('policy').onchange = event => { this.policy = event.target.value; this.draw(); };
  }

  /** @returns {Part} */
  part(name) { return this.dialog.querySelector(`[data-part=${name}]`); }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.part('way').focus();
    address(this.expnum);
    this.load();
  }

  closed() {
    this.dialog.remove();
    if (opened === this) opened = null;
    address(null);
  }

  clicked(event) {
    const verb = event.target.closest('[data-verb]')?.dataset.verb;
    if (verb === 'close') this.dialog.close();
    if (verb === 'again') this.load();
    if (verb === 'ask-why') this.askWhy(event.target.closest('[data-vote]'));
    const other = event.target.closest('[data-explain]');
    if (other) openExplain({ ...this, expnum: Number(other.dataset.explain) });
  }

  // Opens the line in which a lead says why a vote does not count.
  askWhy(card) {
    const form = document.createElement('form');
    form.className = 'annul';
    form.innerHTML = `<label>Why it does not count <input name="why" required maxlength="2000" autocomplete="off"></label>
      <button>Annul</button><button type="button" class="quiet" data-part="keep">Keep it</button><p class="warning" role="alert"></p>`;
    form.onsubmit = event => { event.preventDefault(); this.annul(Number(card.dataset.vote), form); };
    form.querySelector('[data-part=keep]').addEventListener('click', () => this.draw());
    card.querySelector('footer').replaceWith(form);
    form.querySelector('input').focus();
  }

  async annul(voteId, form) {
    const button = form.querySelector('button');
    button.disabled = true;
    try {
      await sendJson('explain/annul', { vote_id: voteId, why: form.elements.why.value });
    } catch (error) {
      button.disabled = false;
      form.querySelector('p').textContent = error instanceof TypeError ? 'There is no connection to the server; try again.' : error.message;
      return;
    }
    await this.load();
    this.part('way').focus();
  }

  async load() {
    try {
      const answer = await fetch(`explain/${this.expnum}?assisted=${this.assisted ? 1 : 0}`);
      if (!answer.ok) throw new Error((await answer.text()).replace(/^\d+ /, ''));
      this.found = await answer.json();
    } catch (error) {
      const why = error instanceof TypeError ? 'There is no connection to the server.' : error.message;
      this.part('way').innerHTML = `<div class="empty"><strong>Nothing to show.</strong><span>${text(why)}</span><button data-verb="again">Try again</button></div>`;
      return;
    }
    this.draw();
  }

  draw() {
    if (!this.found) return;
    const { found } = this;
    const verdict = found.policies[this.policy].verdict;
    this.part('policy').closest('label').hidden = !found.knows.votes;
    this.part('verdict').innerHTML = verdict ? `<b class="v-${verdict.verdict}">${verdict.verdict}</b> <span class="muted">${verdict.adjudicated ? `decided by ${text(verdict.lead)}, a lead; the votes: ` : ''}${this.tally(verdict)}</span>${verdict.old ? ` <span class="old">of the old version ${text(verdict.plver)}</span>` : ''}` : '';
    this.part('way').innerHTML = `<ol>${[
      this.fileHtml(), this.labelsHtml(), this.modelHtml(), this.votesHtml(), this.decisionsHtml(), this.verdictHtml(), this.taughtHtml(),
    ].filter(Boolean).join('')}</ol>`;
    this.dialog.dataset.shown = `${this.expnum}`;
  }

  dot(name) { return `<i class="dot" style="background:${this.found.colours[name] || '#5b6470'}"></i>`; }

  reasons(names) { return names.map(name => `<span class="reason">${this.dot(name)}${clear(name)}</span>`).join(' '); }

  tally(verdict) { return ['bad', 'good', 'unsure'].filter(name => verdict[`n_${name}`]).map(name => `${verdict[`n_${name}`]} ${name}`).join(', ') || 'no votes'; }

  ccds(names) { return `<span class="mono">${text(names.slice(0, MANY_CCDS).join(' '))}</span>${names.length > MANY_CCDS ? ` and ${names.length - MANY_CCDS} more` : ''}`; }

  // ---- the file

  fileHtml() {
    const { exposure, file, versions, in_run: inRun, expnum, camera } = this.found;
    if (!inRun) return step('file', 'The file', '', '<p>This exposure is not in this run. Here is only what votes and labels say of it.</p>');
    const facts = [camera === 'decam' ? 'DECam' : camera, exposure.band && `${exposure.band} band`, exposure.exptime && `${exposure.exptime} s`, exposure.object, exposure.plver, count(exposure.n_ccds, 'CCD')];
    const changes = versions.map(row => `<p class="changed"><b>${text(row.plver_before)} → ${text(row.plver_now)}</b> ${movedHtml(row)} <span class="muted">${when(row.utc)}</span></p>`);
    const problems = file.problems.map(row => `<p class="warning">In quarantine: ${text(row.ccdname || row.path.split('/').pop())}, ${clear(row.problem)}. ${text(row.detail)}</p>`);
    const gone = file.source && !file.there ? ' <span class="warning">no longer there</span>' : '';
    return step('file', 'The file', day(exposure.night), `<div class="beside"><div class="whole">${pictureHtml(expnum, `picture/mosaic/${expnum}.jpg?w=216&s=${this.stretch}&v=${this.version}`, 'alt="the whole exposure" width="216"')}</div>
      <div><p>${facts.filter(Boolean).map(text).join(' · ')}</p><p class="mono">${text(file.name)}</p>${file.source ? `<p class="mono muted path">${text(file.source)}${gone}</p>` : ''}${changes.join('')}${problems.join('')}</div></div>`);
  }

  // ---- labels

  labelsHtml() {
    const { labels, tables } = this.found;
    const rows = labels.map(one => `<li>${this.dot(one.reason)}<b>${clear(one.reason || 'no known reason')}</b>
      <span>${one.ccdnames.length ? `${count(one.ccdnames.length, 'CCD')}: ${this.ccds(one.ccdnames)}` : 'the whole exposure'}${one.raw && one.raw !== one.reason ? ` · written “${text(one.raw)}”` : ''}</span>
      <span class="from">${text(one.source)} <span class="muted">· ${clear(one.kind)}, imported ${when(one.imported_utc)}</span></span></li>`);
    const said = tables.map(({ source, columns }) => `<p>${text(source)} says ${Object.entries(columns).filter(([, value]) => value !== '').map(([name, value]) => `${clear(name)} <b>${text(value)}</b>`).join(', ')}</p>`);
    if (!rows.length && !said.length) return '';
    return step('labels', 'Labels that came with it', '', `<ul class="rows">${rows.join('')}</ul>${said.join('')}`);
  }

  // ---- the model

  modelHtml() {
    const { model, knows, chain } = this.found;
    if (!knows.model) return step('model', 'The model', '', '<p>Its opinion is hidden until you have voted.</p>');
    if (!model) return step('model', 'The model', '', '<p>There are no predictions for this exposure.</p>' + this.chainHtml(chain));
    const chance = model.exposure_probability ?? model.bad_probability;
    const meter = chance === null || chance === undefined ? '' : `<div class="meter"><i style="width:${(100 * chance).toFixed(1)}%"></i></div>`;
    const rule = model.rule ? `${model.is_candidate ? 'Sent to inspection' : 'Not sent to inspection'} by the rule <b>${text(model.rule)}</b> (${text(model.asks)}); rank <b>${model.rank}</b> of ${model.n_ranked.toLocaleString('en')}.` : 'No candidate rule has scored it.';
    const drivers = model.drivers.map(one => `<span class="driver">${this.dot(one.reason)}${text(one.ccdname)} <b>${one.p_bad.toFixed(2)}</b></span>`).join('');
    return step('model', 'The model', when(chain.find(stage => stage.kind === 'prediction')?.created), `
      <p class="chance">${chance === null || chance === undefined ? '' : `<b>${chance.toFixed(2)}</b> bad`} ${this.reasons(model.reasons ?? [])}</p>${meter}
      <p>${rule}</p><p>${model.n_likely_bad} of ${count(model.n_ccds, 'CCD')} more likely bad than good; the worst:</p><p class="drivers">${drivers}</p>
      ${model.neighbours.length ? `<h3>Nearest labelled images, and where their labels come from</h3><div class="near">${together(model.neighbours).map(near => this.nearHtml(near)).join('')}</div>` : ''}${this.chainHtml(chain)}`);
  }

  // near : neighbours of one exposure with the same label and origin
  nearHtml(near) {
    const [one] = near;
    const pictures = near.slice(0, MANY_PICTURES).map(({ image_id: id, ccdname, distance, of_ccdname: of }) => `<span title="${text(ccdname)}: distance ${distance.toFixed(2)} to ${text(of)}">
      ${pictureHtml(one.expnum, `picture/thumb/${id}?s=${this.stretch}&v=${this.version}`, `alt="${one.expnum}-${text(ccdname)}" width="44" height="88"`)}<small>${text(ccdname)}</small></span>`);
    const range = near.length > 1 ? `${one.distance.toFixed(2)} to ${near.at(-1).distance.toFixed(2)}` : one.distance.toFixed(2);
    return `<figure><div class="pictures">${pictures.join('')}</div><figcaption><span>${this.reasons(one.reasons)}</span>
      <span class="muted">${count(near.length, 'CCD')} of <button type="button" class="quiet link" data-explain="${one.expnum}" title="where that comes from">${one.expnum}</button>, distance ${range}</span>${this.originHtml(one)}</figcaption></figure>`;
  }

  originHtml({ source, provenance, basis, weight }) {
    const { provenances, bases } = this.found.words;
    return `<span class="from">${text(source)} <span class="muted">· ${text([provenances[provenance] ?? provenance, basis && `rests on ${bases[basis] ?? basis}`].filter(Boolean).join('; '))}</span></span>
      <span class="muted weight" title="weight in the fit"><s><i style="width:${Math.round(100 * weight)}%"></i></s>weight ${weight.toFixed(2)}</span>`;
  }

  chainHtml(chain) {
    if (!chain.length) return '';
    const rows = [...chain].reverse().map(stage => {
      const given = Object.entries(stage.parameters).filter(([, value]) => value !== '' && value !== null).map(([name, value]) => `${clear(name)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
      return `<tr><th scope="row">${stage.kind}</th><td class="mono">${text(stage.stage_id)}${stage.current ? '' : '<span class="old">not the current one</span>'}</td><td class="mono muted">${text(stage.digest)}</td>
        <td>${when(stage.created)}</td><td>${stage.rows.toLocaleString('en')} rows, ${stage.seconds} s</td><td class="muted">${text(given.join(', '))}</td></tr>`;
    });
    return `<details><summary>${[...chain].reverse().map(stage => `<b>${text(stage.kind)}</b> <span class="mono">${text(stage.stage_id)}</span>`).join(' → ')}</summary><table class="plain">${rows.join('')}</table></details>`;
  }

  // ---- people

  votesHtml() {
    const { votes, knows, reveals, draws } = this.found;
    const cards = votes.map(vote => this.voteHtml(vote)).join('');
    const shown = reveals.length ? `<p class="muted">Others’ votes were shown to ${reveals.map(one => `${text(one.inspector)} (${when(one.revealed_utc)})`).join(', ')}.</p>` : '';
    const drawn = draws.length ? `<p class="muted">Drawn as ${draws.map(kind => (kind === 'known' ? 'known answer' : kind)).join(' and ')}. It is only for measuring and teaches nothing.</p>` : '';
    const none = knows.votes ? 'Nobody has voted.' : 'Others’ votes, the verdict and what it taught are shown once you have voted.';
    return step('votes', 'The votes', '', (cards ? `<div class="cards">${cards}</div>` : '') + (cards && knows.votes ? '' : `<p>${none}</p>`) + shown + drawn);
  }

  voteHtml(vote) {
    const { screen } = vote;
    const saw = [
      screen.seconds !== undefined && screen.seconds !== null && `${Number(screen.seconds).toFixed(1)} s`, screen.stretch, screen.zoom && `zoom ${Number(Number(screen.zoom).toPrecision(3))}`,
      screen.ccds_opened?.length && `enlarged ${screen.ccds_opened.slice(0, 6).join(' ')}`, screen.how && `one of ${screen.n_batch} in bulk`,
      screen.pictures === false && 'without a picture', screen.answer && `answered “${screen.answer}”`,
    ].filter(Boolean);
    const opinion = 'model_shown' in screen ? `opinion ${screen.model_shown ? 'shown' : 'hidden'}${typeof screen.score === 'number' ? `, score ${screen.score.toFixed(2)}` : ''}` : '';
    const then = vote.model_then ? `prediction ${vote.model_then.stage} said ${vote.model_then.exposure_probability === null ? 'nothing about the exposure' : `${vote.model_then.exposure_probability.toFixed(2)} bad`}${vote.model_then.rank ? `, rank ${vote.model_then.rank}` : ''}` : screen.stage ? `prediction ${screen.stage}` : '';
    const badges = [STATES[vote.state] && `${STATES[vote.state]}${vote.until ? `, ${when(vote.until)}` : ''}`, vote.old && `of the old version ${vote.plver}`].filter(Boolean);
    const how = [vote.via === 'import' ? 'imported' : vote.via, vote.blind === undefined ? '' : vote.blind ? 'blind' : 'not blind'].filter(Boolean).join(', ');
    const rows = [
      ['saw', text(saw.join(' · '))], ['model', text([opinion, then].filter(Boolean).join('; '))],
      [vote.whole ? 'ticked' : 'CCDs', vote.ccdnames.length ? this.ccds(vote.ccdnames) : ''],
      ['annulled', vote.annulled ? `by <b>${text(vote.annulled.lead)}</b>: “${text(vote.annulled.why)}”` : ''],
      ...(vote.repeats ?? []).map(again => ['again', `${text(again.judgement)} ${this.reasons(again.reasons)} <span class="muted">${when(again.created_utc)}</span>`]),
    ].filter(([, value]) => value);
    const annul = this.found.may_annul && vote.state === 'current' ? `<button type="button" class="quiet" data-verb="ask-why">annul…</button>` : '';
    return `<article class="vote ${vote.state}" data-vote="${vote.vote_id ?? ''}"><header><b>${text(vote.inspector)}${vote.inspector === this.found.you ? ' (you)' : ''}</b>
      <span class="judgement j-${vote.judgement}"><span class="letter">${LETTERS[vote.judgement]}</span>${vote.judgement}</span>${this.reasons(vote.reasons)}</header>
      ${vote.comment ? `<p class="comment">“${text(vote.comment)}”</p>` : ''}${rows.length ? `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>` : ''}
      <footer>${badges.map(badge => `<span class="old">${text(badge)}</span>`).join('')}<span class="muted">${text([when(vote.created_utc), how].filter(Boolean).join(' · '))}</span>${annul}</footer></article>`;
  }

  decisionsHtml() {
    const { decisions } = this.found;
    if (!decisions.length) return '';
    return step('decision', 'A lead’s decision', '', `<ul class="rows">${decisions.map(one => `<li class="${one.state}"><b class="v-${one.judgement}">${one.judgement}</b> ${this.reasons(one.reasons)}
      <span>“${text(one.comment)}”</span><span class="from">${text(one.lead)} <span class="muted">${when(one.created_utc)}${one.votes_seen.length ? `, on ${count(one.votes_seen.length, 'vote')}` : ''}</span>
      ${STATES[one.state] ? `<span class="old">${STATES[one.state]}</span>` : ''}${one.old ? `<span class="old">of the old version ${text(one.plver)}</span>` : ''}</span></li>`).join('')}</ul>`);
  }

  // ---- the line

  verdictHtml() {
    const { policies, knows, panel } = this.found;
    if (!knows.votes || !policies[this.policy].verdict) return '';
    const rows = POLICIES.map(name => {
      const { verdict, lines, rule } = policies[name];
      const shown = lines.slice(0, MANY_LINES).map(line => `<code>${text(line)}</code>`).join('') + (lines.length > MANY_LINES ? `<span class="muted">and ${lines.length - MANY_LINES} lines more</span>` : '');
      const old = verdict.old && lines.length ? `<span class="old">only with the switch for old versions</span>` : '';
      return `<tr aria-current="${name === this.policy}"><th scope="row" title="${text(rule)}">${name}</th><td><b class="v-${verdict.verdict}">${verdict.verdict}</b></td><td>${shown || '<span class="muted">not on the list</span>'}${old}</td></tr>`;
    });
    const { verdict } = policies[this.policy];
    return step('line', 'The verdict, and its line on the list', '', `<p>${this.tally(verdict)} of a panel of ${panel}${verdict.adjudicated ? `; decided by <b>${text(verdict.lead)}</b>` : ''}${verdict.bad_ccds.length ? `; only ${this.ccds(verdict.bad_ccds)}` : ''}.</p>
      <table class="plain lines"><tbody>${rows.join('')}</tbody></table>`);
  }

  // ---- what it taught

  taughtHtml() {
    const { taught } = this.found;
    if (!taught) return '';
    const rows = taught.labels.map(one => `<li><b>${this.reasons(one.reasons)}</b><span>${count(one.ccdnames.length, 'CCD')}: ${this.ccds(one.ccdnames)}</span>${this.originHtml(one)}</li>`);
    const about = `<p class="muted">Model <span class="mono">${text(taught.stage)}</span> learnt from ${count(taught.n_images, 'image')}${taught.policy ? `, votes under the policy ${text(taught.policy)}` : ''}.</p>`;
    return step('taught', 'What it taught the model', '', (rows.length ? `<ul class="rows">${rows.join('')}</ul>` : `<p>It taught ${text(taught.why)}.</p>`) + about);
  }
}

const step = (kind, title, time, html) => `<li class="step ${kind}"><h2>${title}${time ? ` <span class="time">${time}</span>` : ''}</h2>${html}</li>`;

function movedHtml({ moved, moved_much: much }) {
  if (moved === null) return 'how far it moved is not known';
  if (moved === 0) return 'looks exactly the same';
  return `${much ? 'looks different' : 'looks the same'}: its embedding moved <b>${moved.toFixed(2)}</b> times the usual distance to another exposure`;
}

// Neighbours in groups with the same exposure, label and origin, nearest first.
function together(neighbours) {
  const groups = new Map();
  for (const one of neighbours) {
    const key = JSON.stringify([one.expnum, one.reasons, one.source, one.provenance, one.basis, one.weight]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}

function address(expnum) {
  const url = new URL(location.href);
  if (expnum === null) url.searchParams.delete('explain'); else url.searchParams.set('explain', expnum);
  history.replaceState(null, '', url);
}
