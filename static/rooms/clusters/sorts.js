// @ts-check
// The orders of the list of clusters: name -> [text on screen, function that compares two clusters].

export const part = (some, all) => (all ? some / all : 0);

export const SORTS = {
  number: ['number', (a, b) => a.cluster - b.cluster],
  size: ['largest first', (a, b) => b.n_images - a.n_images],
  bad: ['likeliest bad first', (a, b) => (b.p_bad ?? -1) - (a.p_bad ?? -1)],
  todo: ['most left to judge first', (a, b) => (b.n_exposures - b.mine) - (a.n_exposures - a.mine)],
  least: ['least judged first', (a, b) => part(a.mine, a.n_exposures) - part(b.mine, b.n_exposures)],
};
