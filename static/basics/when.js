// @ts-check
// Dates and times as every room writes them: UTC, and it says so.

// utc : ISO text of the server, '' or null = unknown
export const moment = utc => (utc ? `${utc.slice(0, 10)} ${utc.slice(11, 16)} UTC` : '');

// night : as a number, 20131012; the date at which the night began
export const dateOf = night => (night > 0 ? `${String(night).slice(0, 4)}-${String(night).slice(4, 6)}-${String(night).slice(6)}` : '');

// mjd : modified Julian date
export const momentOf = mjd => moment(new Date((mjd - 40587) * 86400e3).toISOString());
