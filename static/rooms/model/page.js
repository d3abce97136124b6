// @ts-check
// The parts of the Model room as HTML. model.js gives them the server's answers and handles clicks and keys.

import { pictureHtml } from '../../basics/has_pictures.js';
import { dateOf, moment as day } from '../../basics/when.js';
import { bar, between, count, differenceText, figureText, pair, reasonsHtml, shift, some, text, words } from './marks.js';

export const LISTS = [['moved', 'moved most', '1'], ['side', 'changed side', '2'], ['entered', 'entered the queue', '3'], ['left', 'left the queue', '4']];
const CHANGES = { entered: 'entered the queue', left: 'left the queue', reasons: 'other reasons', ccds: 'on some CCDs only', probability: 'probability alone' };
const NOBODY = { moved: 'No exposure changed.', side: 'No exposure changed side.', entered: 'No exposure entered the queue.', left: 'No exposure left the queue.' };
const BASES = { decision: 'a decision', votes: 'votes', single_vote: 'one vote', bulk_votes: 'a bulk vote', truth: 'truth', annotation: 'annotation', label_list: 'a label list', unlisted: 'no list names it', ticked: 'votes', candidate_ccds: 'votes', whole_exposure: 'votes' };
const FIGURES = [['precision', 'Precision'], ['recall', 'Recall'], ['f1', 'F1']];
const HELD = { known: 'known answers', control: 'of the control', labelled: 'labelled exposures' };

export function emptyHtml(lead) {
  return `<div class="empty"><strong>No model yet.</strong><span>A model is learnt from labels and votes: <span class="mono">triptych train RUN</span> and <span class="mono">triptych predict RUN</span>, or here once there is an embedding and some labels.</span>${lead ? '<span><button data-act="retrain" class="primary">Learn from the labels and votes</button></span>' : '<span>Ask a lead.</span>'}</div>`;
}

// What came into the label store since a model was taught: "84 votes and 4 decisions".
export function newsText({ votes, decisions, labels }) {
  const parts = [votes && some(votes, 'vote'), decisions && some(decisions, 'decision'), labels && some(labels, 'imported label')].filter(Boolean);
  return parts.length < 3 ? parts.join(' and ') : `${parts[0]}, ${parts[1]} and ${parts[2]}`;
}

export function currentHtml({ models, news }) {
  const row = models.find(one => one.current);
  if (!row) return '<span class="muted">no model is in use</span>';
  const { images, exposures } = row.taught;
  const since = news && (news.votes || news.decisions || news.labels) ? ` · ${newsText(news)} since` : '';
  return `<b>${text(row.model)}</b> <span class="muted">${images === undefined ? '' : `taught by ${some(images, 'image')} of ${some(exposures, 'exposure')}`} · ${text(row.classifier)}${row.policy ? `, ${text(row.policy)}` : ''} · ${day(row.created)}${since}</span>`;
}

// The model of this page, if it is not the model of the run.
export function mineHtml({ mine, offered }) {
  if (!offered) return '';
  return `<span class="muted">you work with ${text(mine.model || mine.prediction || 'no model')}</span> <button data-act="accept" class="primary">Use ${text(offered)} <span class="key">a</span></button>`;
}

export function workHtml(job, lead) {
  if (!job || !['waiting', 'running'].includes(job.state)) return '';
  return `<span>Retraining, asked for by ${text(job.asked_by)}: <b>${text(job.says)}</b>${job.next ? ` <small class="muted">${text(job.next)}</small>` : ''}</span><progress max="1" value="${job.progress}" aria-label="progress of the retraining"></progress>${lead ? `<button data-act="cancel" class="danger">Cancel</button>` : ''}`;
}

export function failedHtml(job) {
  return job?.state === 'failed' ? `<p class="problem">The last retraining failed${job.error ? `: ${text(job.error)}` : '; ask a lead'}. The run is as it was.</p>` : '';
}

export function logHtml(log) {
  if (!log.length) return '<p class="muted">Nothing was retrained yet.</p>';
  return `<ol class="log mono" tabindex="0" aria-label="Log of the retrainings">${log.map(line => `<li><span class="muted">${text(day(line.utc))}${line.by ? ` ${text(line.by)}` : ''}</span> ${text(line.text)}</li>`).join('')}</ol>`;
}

// ---- what changed

export function changesHtml(room) {
  const { overview, found } = room;
  if (!overview.retraining) return `<h2>What the last retraining changed</h2><div class="none"><strong>Nothing was retrained yet.</strong><p>A retraining learns from every vote and label again. This list then says which exposures changed, which new labels are near them, and what it gained.</p>${overview.role === 'lead' ? '' : '<p>A lead starts it.</p>'}</div>`;
  if (!found) return '<h2>What the last retraining changed</h2><p class="muted">Comparing…</p>';
  const { report } = found;
  const fromTo = ({ before, after }) => (before ? `${text(before)} → ${text(after)}` : `${text(after)}, the first`);
  const own = overview.retrainings.find(one => one.id === found.id);
  const choose = overview.retrainings.length < 2 ? `<b>${fromTo(own)}</b>` : `<select data-part="which" aria-label="Retraining">${overview.retrainings.map(one => `<option value="${text(one.id)}"${one.id === found.id ? ' selected' : ''}>${fromTo(one)}</option>`).join('')}</select>`;
  return `<div class="line"><h2>What changed</h2>${choose}<span class="grow"></span>${decideHtml(room)}</div>
    <p>${labelsLine(report, overview.role === 'lead')}</p>
    <div class="line"><div class="tabs" role="group" aria-label="Which exposures">${LISTS.map(([name, title, key]) => `<button class="chip" data-list="${name}" aria-pressed="${name === found.list}">${title} <span class="count">${count(found.total[name])}</span> <span class="key">${key}</span></button>`).join('')}</div>
    <span class="grow"></span><button data-act="map"${found.seen[found.list] ? '' : ' disabled'}>Show on the map <span class="key">o</span></button></div>${rowsHtml(room)}`;
}

// For a lead: a button that goes back to the model before, or forward again, for all users.
function decideHtml({ overview, found }) {
  if (overview.role !== 'lead') return '';
  const { before, after } = found.report;
  const row = id => overview.models.find(one => one.model === id);
  if (row(after.model)?.current) return before.model && row(before.model) && !row(before.model).problem && before.model !== after.model ? `<button data-use="${text(before.model)}">Roll back to ${text(before.model)}…</button>` : '';
  return row(after.model) && !row(after.model).problem ? `<button data-use="${text(after.model)}">Use ${text(after.model)} for all…</button>` : '';
}

function labelsLine({ labels, counts, before }, lead) {
  const parts = ['new', 'changed', 'gone'].map(what => `<b>${count(labels[what].images)}</b> ${what}${labels[what].images ? ` on ${some(labels[what].exposures, 'exposure')}` : ''}`);
  const since = before.model ? `Labels of images since ${text(before.model)}: ` : 'Labels of images: ';
  const other = [['reasons', 'other reasons'], ['ccds', 'on some CCDs only'], ['probability', 'by probability alone']].filter(([name]) => counts[name]).map(([name, title]) => `${count(counts[name])} ${title}`);
  const alone = lead && counts.unexplained ? ` ${count(counts.unexplained)} have no such label near them: the model as a whole moved.` : '';
  return `${since}${parts.join(', ')}. <b>${some(counts.changed, 'exposure')}</b> changed${other.length ? ` (${other.join(', ')})` : ''}.${alone}`;
}

export function rowsHtml({ overview, found, model }) {
  if (!found.rows.length) {
    const why = found.total[found.list] ? 'Those that changed wait for your own vote, or others have voted on them.' : NOBODY[found.list];
    return `<p class="muted rows-none">${why}</p>`;
  }
  const hidden = found.total[found.list] - found.seen[found.list];
  const more = found.seen[found.list] - found.rows.length;
  const notes = [more ? `${count(more)} more that moved less; the map shows them.` : '', hidden ? `${some(hidden, 'exposure')} not shown before your own vote.` : ''].filter(Boolean).join(' ');
  return `<ul class="changes" aria-label="Changed exposures">${found.rows.map(row => rowHtml(row, overview, model)).join('')}</ul>${notes ? `<p class="muted">${notes}</p>` : ''}`;
}

const thumb = (expnum, id, model) => (id === null ? '' : pictureHtml(expnum, `picture/thumb/${id}?s=faint&v=${model.picture_version}`, 'alt="" width="72" height="36" loading="lazy"'));

function rowHtml(row, overview, model) {
  const { before, after } = row;
  const named = side => (side.reasons.length ? reasonsHtml(side.reasons.slice(0, 3), overview.colours) : '<span class="muted">none</span>');
  const same = before.reasons.join() === after.reasons.join();
  const sides = row.side_before && row.side_before !== row.side_after ? `<b class="${row.side_after}">${row.side_before} → ${row.side_after}</b> · ` : '';
  const ccds = row.n_changed_ccds ? ` · ${some(row.n_changed_ccds, 'CCD')}` : '';
  return `<li><button class="open" data-open="${row.expnum}">${thumb(row.expnum, row.image_id, model)}
      <span class="who"><b class="mono">${row.expnum}</b><span class="muted">${text(row.band)} ${row.night ? dateOf(row.night) : ''}</span></span>
      <span class="what"><span>${same ? named(after) : `${named(before)} <span class="muted">→</span> ${named(after)}`}</span><span class="muted">${sides}${CHANGES[row.change]}${ccds}</span></span>
      <span class="p">${shift(before.probability, after.probability)}<span class="numbers">${before.probability === null ? '' : `${before.probability.toFixed(2)} → `}<b>${after.probability.toFixed(2)}</b></span></span></button>
    <div class="causes">${causesHtml(row, overview, model)}</div></li>`;
}

const CAUSES_SHOWN = 4;

function causesHtml(row, overview, model) {
  if (!row.causes.length) return overview.role === 'lead' ? '<span class="muted" title="none of the labels that are new, changed or gone is among the neighbours of its CCDs; the model as a whole moved">no new label near</span>' : '<span class="muted">none near that you may see</span>';
  const more = row.causes.length - CAUSES_SHOWN + row.more_causes;
  const buttons = row.causes.slice(0, CAUSES_SHOWN).map(cause => {
    const says = { new: `new label ${cause.after}`, changed: cause.before === cause.after ? `label ${cause.after} weighs otherwise` : `label ${cause.before}, now ${cause.after}`, gone: `label ${cause.before} is gone` }[cause.what].replaceAll('_', ' ').replaceAll(',', ', ');
    const name = `${cause.expnum}-${cause.ccdname}: ${says}, from ${BASES[cause.basis] || cause.basis}`;
    const reason = (cause.after || cause.before).split(',')[0];
    return `<button class="cause" data-open="${cause.expnum}" data-ccd="${text(cause.ccdname)}" aria-label="${text(name)}" title="${text(name)}">${thumb(cause.expnum, cause.image_id, model)}<i class="${cause.what}" style="background:${overview.colours[reason] || 'var(--muted)'}"></i></button>`;
  });
  return buttons.join('') + (more > 0 ? `<span class="muted">+${count(more)}</span>` : '');
}

// ---- what it gained

export function figuresHtml(report) {
  const metrics = report?.metrics;
  if (!metrics) return '';
  const kinds = Object.entries(metrics.kinds).map(([kind, n]) => `${count(n)} ${HELD[kind] || kind}`).join(', ');
  const head = '<h2>Before and now</h2>';
  if (!metrics.n) return `${head}<p class="muted">No exposure has an answer to measure with. A lead can draw known answers in the Lead room.</p>`;
  const note = metrics.kinds.labelled ? ' Nothing was drawn to measure with, so labelled exposures measure, each answered without its own labels.' : '';
  const rows = FIGURES.map(([name, title]) => [title, '', metrics.exposure[name], metrics.exposure.n]);
  const reasons = Object.entries(metrics.reasons).sort((a, b) => b[1].n - a[1].n).map(([name, own]) => [words(name), name, own.f1, own.n]);
  /** @type {(row: any[], of?: boolean) => string} */
  const line = ([title, , figure, n], of) => `<tr><th scope="row">${title}</th>${of ? `<td>${count(n)}</td>` : ''}<td class="wide">${pair(figure, title)}</td><td>${figureText(figure.before)}</td><td>${figureText(figure.after)}</td><td title="${figure.difference ? `95 % interval ${between(figure.difference)}` : ''}">${differenceText(figure.difference)}</td></tr>`;
  return `${head}<p>On the same ${some(metrics.n, 'exposure')} (${kinds}), ${count(metrics.n_bad)} bad, rule ${text(metrics.rule)}.${note}</p>
    <table class="figures"><thead><tr><th scope="col">exposures</th><th scope="col" class="wide"><span class="point before"></span>before <span class="point after"></span>now</th><th scope="col">before</th><th scope="col">now</th><th scope="col">gain</th></tr></thead><tbody>${rows.map(row => line(row)).join('')}</tbody></table>
    ${reasons.length ? `<table class="figures of"><thead><tr><th scope="col">F1 by reason</th><th scope="col">n</th><th class="wide"></th><th scope="col">before</th><th scope="col">now</th><th scope="col">gain</th></tr></thead><tbody>${reasons.map(row => line(row, true)).join('')}</tbody></table>` : ''}
    <p class="muted">Intervals of 95 %, by ${count(metrics.resamples)} resamples of the exposures. A gain in colour is one whose interval leaves out 0.</p>`;
}


export function taughtHtml(overview, report) {
  const model = overview.models.find(one => one.current);
  if (!model?.taught.reasons) return '';
  const before = report && report.after.model === model.model ? report.training.before?.reasons || null : null;
  const now = model.taught.reasons;
  const names = [...new Set([...Object.keys(now), ...Object.keys(before || {})])];
  const most = Math.max(1, ...names.map(name => Math.max(now[name] || 0, before?.[name] || 0)));
  const basis = model.taught.basis || model.taught.provenance || {};
  const rests = Object.entries(basis).map(([name, n]) => `${count(n)} ${BASES[name] || name}`).join(', ');
  const left = Object.entries(model.taught.left_out || {}).filter(([, n]) => n).map(([why, n]) => `${count(n)} ${text(why)}`).join('; ');
  const rows = names.map(name => `<tr><th scope="row"><i class="swatch" style="background:${overview.colours[name] || 'var(--muted)'}"></i> ${words(name)}</th><td class="wide">${bar(now[name] || 0, before ? before[name] || 0 : null, most, overview.colours[name] || 'var(--muted)', name)}</td><td>${count(now[name] || 0)}</td><td class="muted">${before ? signed((now[name] || 0) - (before[name] || 0)) : ''}</td></tr>`).join('');
  return `<h2>What taught ${text(model.model)}</h2><table class="figures taught"><tbody>${rows}</tbody></table>${rests ? `<p>Images by what they rest on: ${rests}.</p>` : ''}${left ? `<p class="muted">Left out: ${left}.</p>` : ''}`;
}

const signed = n => (n ? `${n > 0 ? '+' : '−'}${count(Math.abs(n))}` : '');

// ---- every model

export function modelsHtml(room) {
  const { overview, asking } = room;
  const lead = overview.role === 'lead';
  const rows = overview.models.map(row => {
    const { f1, n } = row.figures;
    const mine = overview.mine.model === row.model ? '<span class="tag">yours</span>' : '';
    const act = row.current ? '<span class="tag on">in use</span>' : lead && !row.problem ? `<button data-use="${text(row.model)}" aria-label="Use ${text(row.model)} for all">Use for all…</button>` : '';
    const main = `<tr${row.current ? ' class="current"' : ''}><th scope="row"><b>${text(row.model)}</b><small title="${day(row.created)}">${row.created.slice(0, 10)}</small></th><td>${row.taught.images === undefined ? '–' : `${count(row.taught.images)}<small>${some(row.taught.exposures, 'exposure')}</small>`}</td><td>${row.n_candidates === null ? '–' : count(row.n_candidates)}</td><td title="${f1 ? `F1 of exposures, n = ${count(n)}, 95 % interval ${between(f1)}` : 'never measured'}">${figureText(f1)}<small>${between(f1)}</small></td><td class="act">${mine}${act}</td></tr>`;
    const problem = row.problem ? `<tr class="note"><td colspan="5">cannot be used: ${text(row.problem)}</td></tr>` : '';
    return main + problem + (asking === row.model ? `<tr class="ask"><td colspan="5">${askHtml(overview, row)}</td></tr>` : '');
  }).join('');
  return `<h2>Every model</h2><table class="models"><thead><tr><th scope="col">model</th><th scope="col">taught by</th><th scope="col">queue</th><th scope="col">F1</th><th></th></tr></thead><tbody>${rows}</tbody></table>${movesHtml(overview.moves)}`;
}

function askHtml(overview, row) {
  const current = overview.models.find(one => one.current);
  return `<div role="alertdialog" aria-label="Use ${text(row.model)} for all"><p>The run goes over to <b>${text(row.model)}</b>, its predictions and its queue of ${count(row.n_candidates)}. Open pages keep what they show until their users take it. Nothing is deleted: ${current ? `${text(current.model)} can be chosen again here.` : 'others can be chosen here.'}</p><p class="problem" hidden></p>
    <button class="primary" data-act="use">Use ${text(row.model)}</button> <button data-act="keep">Keep ${text(current?.model || 'things as they are')}</button></div>`;
}

function movesHtml(moves) {
  if (!moves.length) return '';
  return `<details><summary>Who changed the model, and when</summary><ol class="moves">${moves.map(move => `<li><span class="muted">${day(move.utc)}</span> ${text(move.from.model || 'none')} → <b>${text(move.to.model || 'none')}</b> <span class="muted">${text(move.why)}${move.by ? ` by ${text(move.by)}` : ''}</span></li>`).join('')}</ol></details>`;
}
