import assert from 'node:assert/strict';
import { test } from 'node:test';

import { starWords } from '../../../static/evidence/star_shapes.js';

test('what stars look like is said where it is known', () => {
  assert.deepEqual(starWords({ fwhm_arcsec: 1.214, fwhm_over_night: 1.05, e_coherent: 0.018 }), ['FWHM 1.21″', 'ellipticity 0.02']);
  assert.deepEqual(starWords({ fwhm_arcsec: 2.5, fwhm_over_night: 2.04, e_coherent: null }), ['FWHM 2.50″, 2.0 × the night’s']);
  assert.deepEqual(starWords({ fwhm_arcsec: null, fwhm_over_night: null, e_coherent: null }), []);
  assert.deepEqual(starWords(undefined), []);
});
