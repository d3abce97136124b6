// @ts-check
// All standard keys by room, for the `?` page: [key caps, what they do]. The code that acts on them is in the rooms.

export const KEYS = {
  Everywhere: [
    ['⇧E', 'Explore'], ['⇧R', 'Review'], ['⇧C', 'Clusters'], ['⇧A', 'Adjudicate (lead)'], ['⇧G', 'Agreement'], ['⇧M', 'Model'], ['⇧X', 'Export'], ['⇧L', 'Lead (lead)'],
    ['?', 'these keys'],
  ],
  'Explore: map': [
    ['/', 'search: expnum, CCD, night, month, band, object, reason, candidates, fwhm > 1.8; of one kind any, of several kinds all'], ['2 3', '2-D, 3-D'], ['p l b', 'pan, lasso, box'], ['⇧ drag', 'lasso at once'],
    ['t', 'class names on the map'], ['0', 'whole map'], ['+ - ← →', 'zoom and move, when the map has the focus'], [', .', 'previous, next point of the selection'],
    ['o', 'every class of the legend'], ['Esc', 'clear the selection'],
  ],
  'Explore: images': [
    ['j k', 'next, previous thumbnail'], ['⇧J', 'judge the selection on a contact sheet'], ['e', 'enlarge the CCD under the cursor'], ['f', 'fit the exposure'], ['r', 'review the exposure in view'], ['i', 'where its verdict comes from'],
  ],
  'Mosaic, both rooms': [
    ['s', 'stretch: stars, faint sky, sky map'], [';', 'free limits'], ['< >', 'narrower, wider limits'], ['c', 'one scale for all CCDs, or each its own'],
    ['v', 'invert; the sky map white in the middle'], ['n', 'CCD names, with probabilities if you may know them'], ['q', 'mask: data quality, and pixels that recorded nothing'],
    ['d', 'blink with another exposure and back; hold to look'], ['⇧D', 'blink with the next one'], ['+ _', 'zoom in, out'],
    ['← ↑ → ↓', 'from CCD to CCD, after Tab has moved the focus here; Enter enlarges'], ['m', 'marks of the model (Explore)'], ['Esc', 'close an enlarged CCD'],
  ],
  Review: [
    ['g', 'good: saved, next'], ['b', 'bad; then a reason, which it needs'], ['1 … 0 -', 'reasons; with ⇧ several, then Enter'], ['u', 'unsure: saved, next'], ['→', 'skip (or space)'],
    ['z', 'undo (or backspace)'], ['x', 'tick the CCD under the cursor as bad'], ['l', 'tick its row'], ['t', 'tick all, or none'], ['⇧ drag', 'tick CCDs'], ['e', 'enlarge the CCD under the cursor'], ['h', 'model’s opinion shown or hidden'], ['w', 'note'],
    ['r', 'rule and examples of a reason; ↑ ↓ others'], [', .', 'look at the exposures taken before, after; Esc goes back'], ['a', 'one vote for a run of exposures that you looked at'], ['o', 'order and packet of the queue'], ['i', 'where its verdict comes from'],
  ],
  Agreement: [['1 2 3', 'pairs, bands, months by alpha, AC1, Dice'], ['↑ ↓', 'through a list of exposures; Enter opens one']],
  Model: [['↑ ↓', 'through the changed exposures; Enter opens one'], ['1 … 4', 'moved most, changed side, entered, left the queue'], ['o', 'show them on the map'], ['a', 'use the model that is offered']],
  Clusters: [
    ['↑ ↓', 'previous, next cluster (or k, j)'], ['o', 'its images on the map'], ['a', 'one judgement for those not judged yet, on a contact sheet'],
    ['m', 'whole exposures, or the cluster’s CCDs'], ['s', 'stretch'],
  ],
  'Adjudicate (lead)': [
    ['g', 'good; then why'], ['b', 'bad; then reasons, Enter; then why'], ['1 … 9', 'why: a phrase; Enter: the same as last time'], ['w', 'why, in your own words'],
    ['→ ←', 'later, back'], ['z', 'take your last decision back'], ['h', 'model’s opinion shown or hidden'], ['i', 'where its verdict comes from'],
  ],
  Export: [['↑ ↓', 'policy'], ['j k', 'next, previous line of the list'], ['i', 'where that line comes from (or click it)']],
};
