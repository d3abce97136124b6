// @ts-check
// What the stars of an exposure look like, in words.

const NOTABLE = 1.2;   // an FWHM so many times the night's is said

/**
 * FWHM, how it compares with the night's, and the ellipticity that all stars share; [] where they are unknown.
 * @param {{ fwhm_arcsec?: number | null, fwhm_over_night?: number | null, e_coherent?: number | null } | null | undefined} facts
 * @returns {string[]}
 */
export function starWords(facts) {
  const { fwhm_arcsec: fwhm = null, fwhm_over_night: ratio = null, e_coherent: e = null } = facts ?? {};
  if (fwhm === null) return [];
  const wide = ratio !== null && ratio >= NOTABLE ? `, ${ratio.toFixed(1)} × the night’s` : '';
  return [`FWHM ${fwhm.toFixed(2)}″${wide}`, ...(e === null ? [] : [`ellipticity ${e.toFixed(2)}`])];
}
