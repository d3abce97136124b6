// @ts-check
// The judgement of an exposure from its CCDs: all good, some CCDs bad, or the whole exposure bad.

// judgement : 'good' | 'bad' | 'unsure'; ccdnames : CCDs ticked as bad (none or all of them = the whole exposure)
// total : number of CCDs of the exposure. Returns {state: 'good' | 'some' | 'whole' | 'unsure', n, text}.
/** @returns {Rolled} */
export function rollUp(judgement, ccdnames, total) {
  const n = ccdnames?.length ?? 0;
  if (judgement === 'good') return { state: 'good', n: 0, text: 'all good' };
  if (judgement === 'unsure') return { state: 'unsure', n, text: 'unsure' };
  if (n === 0 || (total && n >= total)) return { state: 'whole', n: total || 0, text: 'whole exposure bad' };
  return { state: 'some', n, text: `${n}${total ? ` of ${total}` : ''} CCD${n === 1 && !total ? '' : 's'} bad` };
}
