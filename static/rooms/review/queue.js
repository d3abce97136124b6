// @ts-check
// The queue of Review: it is read once, when the room is opened again, and after the tables have changed. The user votes
// meanwhile, so an answer counts only if it is newer than their last act.

import { askFor } from '../../basics/ask.js';
import { offerTour } from '../../frame/tour.js';
import { ReviewVoting } from './voting.js';

export class ReviewQueue extends ReviewVoting {
  onward = false;   // the next answer leads to the next exposure
  async load() {
    const response = await this.turns.newest(() => askFor('api/queue'));
    if (!response) return;
    this.canVote = response.can_vote;
    this.total = response.total;
    this.colours = response.colours;
    this.vocabulary = response.reasons;
    const here = this.facts.get(this.expnum);
    this.facts = new Map(response.items.map(item => [item.expnum, item]));
    if (here && !this.facts.has(this.expnum)) this.facts.set(this.expnum, here);
    this.takeVotes(response);
    const mine = new Set(this.votes.map(vote => vote.expnum));
    this.queue = response.items.filter(item => !item.voted && !mine.has(item.expnum)).map(item => item.expnum);
    this.drawChips();
    this.behind = response.n_left - response.items.filter(item => !item.voted).length;
    const wanted = this.model.focus;
    // What is on screen stays, also if it is no candidate, unless it was judged and the next one was not here yet.
    const first = this.onward && !this.queue.includes(this.expnum) ? null : this.expnum;
    this.onward = false;
    if (wanted && this.visible() && wanted !== this.expnum) this.open(wanted);
    else if (first === null && this.model.not_here) this.notHere(this.model.not_here);
    else if (first === null) this.next();
    else this.refresh();
    if (this.canVote && this.visible() && this.expnum !== null) offerTour(this);
  }

  // The user's votes: those on the server and those on their way, without those that are being taken back.
  takeVotes({ votes, n_votes: n, n_unsure: unsure }) {
    const coming = this.outbox.waiting.filter(body => body.judgement).reverse();
    const going = new Set(this.outbox.waiting.map(body => body.undoes).filter(Boolean));
    const batches = new Set(this.outbox.waiting.map(body => body.batch_id).filter(Boolean));
    const expnums = new Set(coming.map(vote => vote.expnum));
    const kept = votes.filter(vote => !expnums.has(vote.expnum) && !going.has(vote.client_vote_id) && !batches.has(vote.batch_id));
    this.votes = [...coming, ...kept].map(vote => ({ seconds: vote.screen?.seconds, ...vote }));
    this.votes.forEach((vote, place) => { vote.order = -place; });
    this.said = { n, unsure };
  }

  next() {
    if (this.origin !== null && this.origin !== this.expnum) return this.open(this.origin);
    const waiting = this.queue.filter(expnum => !this.skipped.has(expnum));
    if (!waiting.length && this.skipped.size && this.queue.length) {
      this.skipped.clear();
      return this.next();
    }
    if (!waiting.length && this.behind) { this.onward = true; return this.load(); }
    if (!waiting.length) return this.finish();
    const at = waiting.findIndex(expnum => expnum === this.expnum);
    this.open(waiting[at >= 0 && at + 1 < waiting.length ? at + 1 : 0]);
  }
}
