// @ts-check
// The parts of the Agreement room as HTML. agreement.js gives them a report and handles clicks and keys.

import { dateOf } from '../../basics/when.js';
import { axisFrom, count, interval, inWords, months, range, spark, text, value, words } from './marks.js';

const TITLES = { alpha: 'alpha', ac1: 'AC1', dice: 'Dice on bad', kappa: 'kappa' };
const SCOPES = {
  all: 'All blind single votes.',
  own: 'Over the exposures that you have judged yourself. Nobody else is named.',
  complete: 'Over the exposures that the whole panel has judged. Nobody is named.',
};
const KINDS = { divided: 'called good and bad', 'one vote': 'rest on one vote', unsure: 'somebody is unsure' };
export const SHOWN = 100;
const REASONS_SHOWN = 10;

export const thing = (report, n = 2) => (report.unit === 'ccd' ? 'CCD' : 'exposure') + (n === 1 ? '' : 's');

export function topHtml(report) {
  const { figures } = report;
  const from = axisFrom([figures.alpha, figures.ac1, figures.dice]);
  const big = [
    ['alpha', 'Krippendorff’s alpha', 'agreement beyond chance: 1 is perfect, 0 is chance'],
    ['ac1', 'Gwet’s AC1', 'the same, and steadier where bad is rare'],
    ['dice', 'Dice on “bad”', 'if one inspector says bad, how likely another one does'],
  ].map(([name, title, says]) => `<div class="figure"><h2 class="title">${title}</h2>
      <div class="big">${value(figures[name])}${interval(figures[name])}</div>${range(figures[name], from, null, title)}
      <p>${figures[name].value === null ? text(sentence(figures[name].why)) : says}</p></div>`).join('');
  const small = [['raw', 'raw agreement'], ['alpha_ordinal', 'alpha, good < unsure < bad'], ['fleiss', 'Fleiss’ kappa, where all answered']]
    .map(([name, title]) => `<dt>${title}</dt><dd title="${text(inWords(figures[name]))}">${value(figures[name])} ${interval(figures[name])}</dd>`).join('');
  const share = report.posterior.share;
  return `<section class="headline" aria-label="Headline">${big}</section>
    <section class="standing" aria-label="What it stands on"><h2>What it stands on</h2><p>${countsText(report)}</p>
      <dl>${small}<dt>share of bad by Dawid-Skene</dt><dd title="${text(inWords(share))}">${value(share)} ${interval(share)}</dd></dl></section>
    <section class="reading" aria-label="How to read it"><h2>How to read it</h2>${reading(report)}</section>`;
}

const sentence = line => line.charAt(0).toUpperCase() + line.slice(1) + '.';

function countsText(report) {
  const inspectors = report.n_inspectors ?? report.inspectors.length;
  const parts = [`<b>${count(report.n_votes)}</b> ${report.assumption ? 'recorded' : 'blind'} votes of <b>${inspectors}</b> inspectors on <b>${count(report.n_units)}</b> ${thing(report, report.n_units)}` +
    `${report.unit === 'ccd' ? ` of ${count(report.n_exposures)} exposures` : ''}; <b>${count(report.n_paired)}</b> with two answers or more.`];
  const left = Object.entries(report.left_out).filter(([, n]) => n)
    .map(([why, n]) => `<b>${count(n)}</b> ${text(report.why_left_out[why] || why)}`);
  parts.push(left.length ? `Left out: ${left.join('; ')}.` : 'No vote is left out.');
  if (report.assumption) parts.push(`<strong class="assumed">${text(report.assumption)}</strong> ${count(report.n_assumed)} good answers are assumed.`);
  if (report.about) parts.push(text(report.about));
  return parts.join(' ');
}

function reading(report) {
  const bad = report.share_bad === null ? '' : `${(100 * report.share_bad).toFixed(report.share_bad < 0.1 ? 1 : 0)} % of the answers are bad. `;
  const rare = report.share_bad !== null && report.share_bad < 0.25 ? 'Where bad is this rare, two people who say good to nearly everything agree by chance: raw agreement is high whatever they see, and alpha and kappa are low. AC1 gives less to chance. ' : '';
  return `<p>${bad}${rare}Dice leaves the good ones out of it.</p>
    <p>Krippendorff asks for alpha 0.80, or 0.67 for tentative conclusions. Intervals are ${report.level} %, by ${count(report.resamples)} resamples of the exposures. Fewer than ${report.fewest.exposures} give no figure.</p>`;
}

export function pairsHtml(report, figure) {
  const { pairs } = report;
  const head = `<h2>By pair <span class="of">${TITLES[figure === 'alpha' ? 'kappa' : figure]}</span></h2>`;
  const name = figure === 'alpha' ? 'kappa' : figure;
  if (!pairs.length) return `${head}<p class="muted">${report.scope === 'complete' ? 'Pairs are shown to inspectors and leads.' : 'Two inspectors are needed.'}</p>`;
  if (report.scope === 'own') return head + ownPair(report, pairs[0], name);
  const people = report.inspectors;
  const found = new Map(pairs.map(row => [`${row.first}\n${row.second}`, row]));
  const cell = (a, b) => {
    if (a === b) return '<td class="self"></td>';
    const row = found.get(`${a}\n${b}`) || found.get(`${b}\n${a}`);
    const one = row.figures[name];
    const shade = one.value === null ? 0 : Math.round(42 * Math.max(0, one.value));
    const alone = found.has(`${a}\n${b}`) ? [row.n_first, row.n_second] : [row.n_second, row.n_first];
    const told = `${a} and ${b}: ${inWords(one)}; both bad ${row.n_both}, ${a} alone ${alone[0]}, ${b} alone ${alone[1]}`;
    const below = people.length > 4 ? '' : people.indexOf(a) < people.indexOf(b) ? interval(one) : `<span class="to">${count(row.n_both)} both, ${count(alone[0])} | ${count(alone[1])}</span>`;
    return `<td style="--shade:${shade}%" title="${text(told)}">${value(one)}${below}</td>`;
  };
  const rows = people.map(a => `<tr><th scope="row">${text(a)}</th>${people.map(b => cell(a, b)).join('')}</tr>`).join('');
  const note = people.length > 4 ? '' : '<p class="muted">Below the diagonal: called bad by both, and by the one at the left | at the top alone.</p>';
  return `${head}<div class="matrix"><table><thead><tr><td></td>${people.map(b => `<th scope="col">${text(b)}</th>`).join('')}</tr></thead><tbody>${rows}</tbody></table></div>${note}`;
}

function ownPair(report, row, name) {
  const one = row.figures[name];
  return `<div class="ownpair"><div class="big">${value(one)}${interval(one)}</div>${range(one, axisFrom([one]), null, 'you and the others')}
    <p>You against what more than half of the others say, on ${count(row.n)} ${thing(report, row.n)}: bad from both <b>${count(row.n_both)}</b>, from you alone <b>${count(row.n_first)}</b>, from them alone <b>${count(row.n_second)}</b>.</p></div>`;
}

export function reasonsHtml(report) {
  const { reasons } = report;
  if (!reasons.length) return '<h2>By reason</h2><p class="muted">No bad answer names a reason yet.</p>';
  const alone = row => Object.entries(row.alone).sort((a, b) => b[1] - a[1]).map(([name, n]) => `${text(name)} ${count(n)}`).join(', ');
  const named = report.scope === 'all' && reasons.some(row => Object.keys(row.alone).length);
  const shown = reasons.filter((row, index) => index < 6 || row.figures.same.value !== null).slice(0, REASONS_SHOWN);
  const rows = shown.map(row => `<tr class="${row.figures.same.value === null ? 'few' : ''}"><th scope="row"><i class="swatch" style="background:${report.colours[row.reason] || 'var(--muted)'}"></i>${words(row.reason)}</th>
    <td>${count(row.n)}</td><td class="wide">${range(row.figures.same, 0, row.figures.bad, row.reason)}</td><td>${value(row.figures.same)}</td><td>${value(row.figures.bad)}</td>${named ? `<td class="alone" title="${alone(row)}">${alone(row)}</td>` : ''}</tr>`).join('');
  const rest = reasons.length - shown.length;
  return `<h2>By reason</h2><table class="rows reasons"><thead><tr><th scope="col">reason</th><th scope="col" title="${thing(report)} on which somebody names it">n</th><th scope="col" class="wide"><span class="sr">Dice with interval</span></th>
    <th scope="col"><i class="point"></i>same</th><th scope="col"><i class="point hollow"></i>bad</th>${named ? '<th scope="col" class="alone" title="Votes that name it on exposures that nobody else calls bad">alone with it</th>' : ''}</tr></thead><tbody>${rows}</tbody></table>
    <p class="muted">Dice: if one inspector names the reason, how likely another one names the same, or calls it bad at all.${rest > 0 ? ` ${rest} rarer ${rest === 1 ? 'reason is' : 'reasons are'} not listed.` : ''}${rows.includes('class="few"') ? ` A dash: on fewer than ${report.fewest.bad}.` : ''}</p>`;
}

// The figure that bands, months and categories show. If only flagged exposures are known, Dice replaces figures that cannot
// be given.
function given(report, figure) {
  const rows = Object.values(report.groups).flat();
  return rows.some(row => row.figures[figure].why.startsWith('not given')) ? 'dice' : figure;
}

function groupTable(title, rows, figure, most = 8) {
  if (!rows.length) return '';
  const from = axisFrom(rows.map(row => row.figures[figure]));
  const shown = rows.length > most ? [...rows].sort((a, b) => b.n - a.n).slice(0, most) : rows;
  const body = shown.map(row => `<tr class="${row.figures[figure].value === null ? 'few' : ''}"><th scope="row" title="${words(row.group)}">${words(row.group)}</th><td>${count(row.n)}</td><td class="wide">${range(row.figures[figure], from, null, row.group)}</td><td>${value(row.figures[figure])}</td></tr>`).join('');
  const rest = rows.length - shown.length;
  const few = shown.some(row => row.figures[figure].value === null) ? `A dash: ${text(shown.find(row => row.figures[figure].value === null).figures[figure].why.replace('too few: ', ''))}. ` : '';
  return `<h2>${title} <span class="of">${TITLES[figure]}</span></h2><table class="rows groups"><tbody>${body}</tbody></table>${few || rest > 0 ? `<p class="muted">${few}${rest > 0 ? `${rest} smaller ones are not listed.` : ''}</p>` : ''}`;
}

export function categoriesHtml(report, figure) {
  return groupTable('By the model’s category', report.groups.category || [], given(report, figure), 7);
}

export function groupsHtml(report, figure) {
  const { band = [], month = [] } = report.groups;
  const one = given(report, figure);
  const drawn = month.filter(row => row.figures[one].value !== null).length;
  const plot = drawn ? months(month, one, axisFrom(month.map(row => row.figures[one])))
    : `<p class="muted">${month.length ? `None of the ${month.length} months has ${report.fewest.exposures} exposures with two answers${one === 'dice' ? ` and ${report.fewest.bad} that somebody calls bad` : ''}.` : 'The exposures name no night.'}</p>`;
  const note = one === figure ? '' : `<p class="muted">No ${TITLES[figure]} by group: band and month of the exposures on which all agree are not known. Dice needs only the others.</p>`;
  return `${groupTable('By band', band, one)}<h2>By month <span class="of">${TITLES[one]}</span></h2>${plot}${note}`;
}

export function peopleHtml(report) {
  const title = report.scope === 'own' ? 'You' : 'Inspectors';
  if (!report.people.length) return `<h2>${title}</h2><p class="muted">No blind vote yet.</p>`;
  const percent = figure => (figure.value === null ? '<span class="few">–</span>' : `<b>${(100 * figure.value).toFixed(figure.value < 0.095 ? 1 : 0)} %</b>`);
  const cell = figure => `<td title="${text(inWords(figure))}">${percent(figure)}${figure.value === null ? '' : `<span class="to">of ${count(figure.n)}</span>`}</td>`;
  const modelled = figure => (figure ? `<td title="${text(inWords(figure))}">${percent(figure)}</td>` : '<td><span class="few">–</span></td>');
  const rows = report.people.map(row => {
    const fitted = report.posterior.inspectors[row.inspector] || {};
    const seconds = row.pace.seconds;
    const days = row.pace.days.map(day => `${day.day}: ${day.seconds === null ? 'too few' : `${day.seconds.toFixed(1)} s`} (${day.n})`).join('; ');
    return `<tr><th scope="row">${text(row.inspector)}</th><td>${count(row.n_votes)}</td>${cell(row.bad)}${cell(row.unsure)}
      <td title="${text(days)}">${seconds === null ? '<span class="few">–</span>' : `<b>${seconds.toFixed(1)} s</b>`}</td>${cell(row.consistency)}
      ${cell(row.against_leads.sensitivity)}${cell(row.against_leads.specificity)}${cell(row.against_known.sensitivity)}${cell(row.against_known.specificity)}
      ${modelled(fitted.sensitivity)}${modelled(fitted.specificity)}<td>${spark(row.drift.blocks)}</td></tr>`;
  }).join('');
  return `<h2>${title}</h2><div class="scroll"><table class="people"><thead><tr><th rowspan="2" scope="col">inspector</th><th rowspan="2" scope="col">answers</th><th rowspan="2" scope="col">bad</th><th rowspan="2" scope="col">unsure</th>
    <th rowspan="2" scope="col" title="Median seconds on screen per single vote">pace</th><th rowspan="2" scope="col" title="Share of exposures asked for again that got the same judgement">same again</th>
    <th colspan="2" scope="colgroup">against decisions</th><th colspan="2" scope="colgroup">on known answers</th><th colspan="2" scope="colgroup">by Dawid-Skene</th><th rowspan="2" scope="col">bad, per 100 votes</th></tr>
    <tr>${'<th scope="col">sensitivity</th><th scope="col">specificity</th>'.repeat(3)}</tr></thead><tbody>${rows}</tbody></table></div>
    <p class="muted">Sensitivity: of what is bad, the share called bad; specificity: of what is good, the share called good. Decisions are mostly on hard exposures, so these rates are lower than over all. A dash: fewer than ${report.fewest.votes}.</p>`;
}

export function listHtml(report, { kind, reason, shown }) {
  const total = report.listed_total;
  const kinds = Object.keys(KINDS).filter(name => total[name]);
  const head = '<h2>Exposures behind it</h2>';
  if (!kinds.length) return `${head}<p class="muted">No ${thing(report, 1)} is called both good and bad, or rests on one vote.</p>`;
  const of = report.listed.filter(row => row.kind === kind);
  const reasons = new Map();
  for (const row of of) for (const name of row.reasons) reasons.set(name, (reasons.get(name) || 0) + 1);
  const chips = [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 9)
    .map(([name, n]) => `<button class="chip" data-reason="${text(name)}" aria-pressed="${name === reason}"><i class="swatch" style="background:${report.colours[name] || 'var(--muted)'}"></i>${words(name)}<span class="count">${count(n)}</span></button>`).join('');
  const rows = of.filter(row => !reason || row.reasons.includes(reason));
  const who = row => (report.scope === 'all' ? ['bad', 'good', 'unsure'].filter(word => row[`n_${word}`]).map(word => `<span class="j-${word}">${word}</span> ${row[`${word}_by`].map(text).join(', ')}`)
    : ['bad', 'good', 'unsure'].filter(word => row[`n_${word}`]).map(word => `<span class="j-${word}">${word}</span> ${row[`n_${word}`]}`)).join(' · ');
  const line = row => `<li><button data-open="${row.expnum}" data-ccd="${text(row.ccdname)}" title="Open in ${report.role === 'viewer' ? 'Explore' : 'Review'}"><span class="id">${row.expnum}${row.ccdname ? `-${text(row.ccdname)}` : ''}</span><span class="muted">${text(row.band)}${row.night > 0 ? ` ${dateOf(row.night)}` : ''}</span>
    <span>${who(row)}</span><span class="why">${row.reasons.map(words).join(', ')}</span><span class="p" title="Probability of bad by Dawid-Skene">${row.p_bad === null ? '' : row.p_bad.toFixed(2)}</span></button></li>`;
  const sent = of.length < total[kind] ? `The first ${count(of.length)} of ${count(total[kind])}. ` : '';
  const more = rows.length > shown ? `<button class="quiet" data-more>${count(rows.length - shown)} more</button>` : '';
  return `${head}<div class="kinds" role="group" aria-label="Which exposures">${kinds.map(name => `<button class="chip" data-kind="${name}" aria-pressed="${name === kind}">${KINDS[name]}<span class="count">${count(total[name])}</span></button>`).join('')}</div>
    <div class="kinds reasons" role="group" aria-label="Only with this reason">${chips}</div><p class="muted">${sent}${count(rows.length)} ${thing(report, rows.length)}${rows.some(row => row.p_bad !== null) ? '; the number at the right is the probability of bad by Dawid-Skene' : ''}.</p>
    <ol class="listed">${rows.slice(0, shown).map(line).join('')}</ol>${more}`;
}

export function unlikeHtml(report) {
  const head = '<h2>Posterior against most of the blind votes</h2>';
  if (!report.unlike_total) return `${head}<p class="muted">The Dawid-Skene posterior says what most of the blind votes say, everywhere${report.posterior.share.value === null ? ', as far as there are answers' : ''}.</p>`;
  const line = row => `<li><button data-open="${row.expnum}" data-ccd="${text(row.ccdname)}"><span class="id">${row.expnum}${row.ccdname ? `-${text(row.ccdname)}` : ''}</span><span class="muted">${text(row.band)}</span><span><span class="j-bad">bad</span> ${row.n_bad} · <span class="j-good">good</span> ${row.n_good}</span><span class="p">${row.p_bad.toFixed(2)}</span></button></li>`;
  return `${head}<p class="muted"><b>${count(report.unlike_total)}</b> ${thing(report, report.unlike_total)} where the posterior, which trusts some inspectors more, says other than more than half of the blind votes. Adjudicate counts all votes, and only what a lead has not decided.${(report.n_inspectors ?? report.inspectors.length) > 3 ? '' : ' With three inspectors or fewer it is only just identified: look before you believe it.'}</p>
    <ol class="listed short">${report.unlike.slice(0, SHOWN).map(line).join('')}</ol>`;
}

export function emptyHtml(report) {
  const left = Object.entries(report.left_out).filter(([, n]) => n).map(([why, n]) => `<li>${count(n)} ${text(report.why_left_out[why] || why)}</li>`).join('');
  const assume = report.can_assume ? '<p>Inspections that were imported say what was called bad, and not what was looked at. <b>Read blanks as good</b> above shows what follows if they are taken to have looked at everything.</p>' : '';
  const who = { all: '', own: 'You see figures over the exposures that you have judged yourself. ', complete: 'You see figures over the exposures that the whole panel has judged. ' }[report.scope];
  const given = report.n_votes ? `<span>${count(report.n_votes)} blind ${report.n_votes === 1 ? 'vote' : 'votes'} so far, none on ${report.unit === 'ccd' ? 'a CCD' : 'an exposure'} that another inspector judged too.</span>` : '';
  return `<div class="empty"><strong>No blind votes to compare yet.</strong>${given}
    <span>${who}Agreement needs ${report.fewest.exposures} exposures or more that two inspectors each judged alone, in Review, one by one.</span>
    ${left ? `<span>Votes that do not count:</span><ul>${left}</ul>` : ''}${assume}</div>`;
}

export const scopeLine = report => (report.assumption ? 'Recorded votes, and blanks of imported inspections read as good.' : SCOPES[report.scope]);
