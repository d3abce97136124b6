// image_id, the number of one CCD image, as pipeline/image_ids.py makes it. Only this file knows how.

const CCDS = 100;

export const imageIdOf = (expnum, ccdnum) => CCDS * expnum + ccdnum;
export const expnumOf = imageId => Math.floor(imageId / CCDS);
export const ccdnumOf = imageId => imageId % CCDS;
