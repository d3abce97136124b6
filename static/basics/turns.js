// @ts-check
// Answers may arrive in another order than they were asked for, and later than what the user has done meanwhile. A room
// asks here whether an answer still counts.
//
//   const counts = this.turns.begin();
//   const answer = await askFor(url);
//   if (!counts()) return;          // a newer question is on its way

export class Turns {
  constructor() {
    this.asked = 0;
    this.acts = 0;
  }

  // A new question begins. Returns a function that says whether it is still the newest one.
  begin() {
    this.asked += 1;
    const own = this.asked;
    return () => own === this.asked;
  }

  // The user has done something, or the server has stored it: an answer that was asked for before does not know of it.
  act() { this.acts += 1; }

  // Ask until an answer is newer than all that was done. undefined if a newer question began meanwhile, which then answers.
  /**
   * @template T
   * @param {() => Promise<T>} ask
   * @returns {Promise<T | undefined>}
   */
  async newest(ask) {
    const counts = this.begin();
    for (;;) {
      const { acts } = this;
      const answer = await ask();
      if (!counts()) return undefined;
      if (acts === this.acts) return answer;
    }
  }
}
