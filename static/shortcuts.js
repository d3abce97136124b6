// Every key of the program, by room, for the `?` page: [key caps, what it does]. The rooms' own files act on them.

export const KEYS = {
  Everywhere: [
    ['⇧E', 'Explore'], ['⇧R', 'Review'], ['⇧X', 'Export'], ['/', 'search (Explore)'], ['?', 'these keys'],
  ],
  Explore: [
    ['r', 'review the exposure in view'],
  ],
  Review: [
    ['g', 'good, save, next'], ['b', 'bad; then the reason'], ['u', 'unsure, save, next'], ['→', 'skip'], ['z', 'undo'],
    ['s', 'stretch'],
  ],
};
