// image_id is the number of one CCD image. Only this file and pipeline/image_ids.py know how it is made.

const CCDS = 100;

export const imageIdOf = (expnum, ccdnum) => CCDS * expnum + ccdnum;
export const expnumOf = imageId => Math.floor(imageId / CCDS);
export const ccdnumOf = imageId => imageId % CCDS;
