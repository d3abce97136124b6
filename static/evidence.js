// Why an exposure is in the queue, as plain HTML beside it. Text only from the server, escaped; pictures by address.

export const escapeText = text => String(text ?? '').replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const SHOWN = 6;
export const thumbnail = (imageId, stretch, version) => `/picture/thumb/${imageId}?s=${stretch}&v=${version}`;

const percent = value => `${Math.round(100 * value)} %`;

export function evidenceHtml(answer, { colours, stretch, version }) {
  const colour = name => colours[name] || '#5b6470';
  const dot = name => `<i class="dot" style="background:${colour(name)}"></i>`;
  const label = name => escapeText(String(name).replaceAll('_', ' '));
  return [
    othersHtml(answer, dot, label),
    whyHtml(answer, dot, label, colour),
    neighboursHtml(answer, dot, label, stretch, version),
  ].join('');
}

function whyHtml(answer, dot, label, colour) {
  const model = answer.model;
  if (!model && !answer.assisted && !answer.voted) {
    return '<h3>Why it is here</h3><p>The model’s opinion is hidden until you have voted. <span class="key">h</span>shows it.</p>';
  }
  if (!model) return '<h3>Why it is here</h3><p>There are no predictions for this exposure yet.</p>';
  const bad = Object.values(model.ccds).filter(ccd => ccd.p_bad > 0.5 && ccd.reason !== 'good');
  const counts = new Map();
  bad.forEach(ccd => counts.set(ccd.reason, (counts.get(ccd.reason) || 0) + 1));
  const total = Object.keys(model.ccds).length;
  const shares = [...counts].sort((a, b) => b[1] - a[1]).map(([reason, n]) => `<span>${dot(reason)}${label(reason)}</span>
    <span class="bar"><i style="width:${100 * n / total}%;background:${colour(reason)}"></i></span><span>${n} of ${total}</span>`).join('');
  const score = model.bad_probability ?? 0;
  return `<h3>Why it is ${model.is_candidate ? 'here' : 'not flagged'}</h3>
    <div class="meter" title="bad probability"><i style="width:${percent(score)}"></i></div>
    <p><b>${score.toFixed(2)}</b> bad · <b>${model.n_bad ?? 0} of ${model.n_sampled}</b> sampled CCDs · rule <b>${escapeText(model.rule || 'none')}</b></p>
    <div class="shares">${shares}</div>`;
}

function neighboursHtml(answer, dot, label, stretch, version) {
  if (!answer.neighbours?.length) return '';
  const figures = answer.neighbours.slice(0, SHOWN).map(({ image_id, expnum, ccdname, reason, distance }) => {
    const name = `${expnum}-${ccdname}`;
    return `<figure><img src="${thumbnail(image_id, stretch, version)}" alt="${escapeText(name)}, labelled ${label(reason)}" decoding="async">
    <figcaption>${dot(reason)}${label(reason)} ${Number(distance).toFixed(2)}<small>${escapeText(name)}</small></figcaption></figure>`;
  });
  const of = [...new Set(answer.neighbours.slice(0, SHOWN).map(neighbour => neighbour.of_ccdname))].join(', ');
  return `<h3>Nearest labelled <span class="of">to ${escapeText(of)}</span></h3><div class="neighbours">${figures.join('')}</div>`;
}

function othersHtml(answer, dot, label) {
  if (!answer.mine) return '';
  const line = vote => `<div>${escapeText(vote.inspector)}: <b>${escapeText(vote.judgement)}</b>
    ${vote.reasons.map(reason => dot(reason) + label(reason)).join(' ')} ${vote.comment ? `<i>${escapeText(vote.comment)}</i>` : ''}</div>`;
  const others = answer.others?.length ? answer.others.map(line).join('') : '<div>nobody else has voted yet</div>';
  return `<h3>Verdict ${escapeText(answer.verdict?.verdict ?? 'open')}</h3><div class="others">${line({ ...answer.mine, inspector: 'you' })}${others}</div>`;
}
