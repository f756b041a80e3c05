// Keeps asking how the server is: its models, what they are doing, whether it is there at all.

const OFTEN = 1000; // milliseconds: while something loads, is answered, or is looked at
const SELDOM = 5000;

export class ServerState {
  status = null;
  models = []; // names, the default first
  reachable = true;
  #timer = 0;
  #asking = false;

  /** `changed()` is called after every answer; `busy()` says whether to ask often. */
  constructor(api, changed, busy) {
    this.api = api;
    this.changed = changed;
    this.busy = busy;
    document.addEventListener('visibilitychange', () => document.hidden || this.ask());
  }

  /** Asks now, and again and again from then on. */
  async ask() {
    clearTimeout(this.#timer);
    if (this.#asking) return;
    this.#asking = true;
    try {
      if (this.models.length === 0) this.models = (await this.api.models()).map(({id}) => id);
      this.status = await this.api.status();
      const names = (this.status.models ?? []).map(({name}) => name);
      if (names.length > 0) this.models = names;
      this.reachable = true;
    } catch (error) {
      this.reachable = error.status > 0;
    }
    this.#asking = false;
    this.changed();
    // Nobody looks at a hidden page.
    if (!document.hidden) this.#timer = setTimeout(() => this.ask(), this.#interval());
  }

  /** What /v1/status says of a model, the default one where `name` is empty. */
  model(name) {
    return this.status?.models?.find((model) => model.name === (name || this.models[0]));
  }

  #interval() {
    const loading = this.status?.models?.some(({state}) => state === 'loading');
    return loading || this.busy() || !this.reachable ? OFTEN : SELDOM;
  }
}
