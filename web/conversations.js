// The conversations that this browser keeps, in IndexedDB; where that is not to be had they last as long as
// the page.

const DATABASE = 'caldera';
const STORE = 'conversations';

/**
 * @typedef {{id: string, role: 'user' | 'assistant', content: string, reasoning?: string,
 *   state?: 'streaming' | 'done' | 'stopped' | 'failed', error?: string, model?: string, finish?: string,
 *   figures?: import('./answer.js').Figures}} Message
 * @typedef {{id: string, title: string, named: boolean, created: number, updated: number, model: string,
 *   settings: object, messages: Message[]}} Conversation
 */

/** A name that no other has; crypto.randomUUID() is there on secure pages alone. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

/** @returns {Conversation} */
export function newConversation(model, settings) {
  const now = Date.now();
  return {id: newId(), title: '', named: false, created: now, updated: now, model, settings, messages: []};
}

/** What the list shows for it until it is named: the first line of what was asked. */
export function titleOf(text) {
  const line = text.trim().split('\n', 1)[0];
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
}

export class ConversationStore {
  #database = null; // null: nothing is kept

  static async open() {
    const store = new ConversationStore();
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, {keyPath: 'id'});
      store.#database = await settled(request);
    } catch {
      // Private windows of some browsers.
    }
    return store;
  }

  get keeps() {
    return this.#database !== null;
  }

  /** All of them, the one changed last first. */
  async all() {
    if (!this.#database) return [];
    const found = await settled(this.#objects('readonly').getAll());
    return found
      .filter((each) => Array.isArray(each.messages) && typeof each.title === 'string')
      .map(afterReload)
      .sort((one, other) => other.updated - one.updated);
  }

  async put(conversation) {
    if (this.#database) await kept(this.#objects('readwrite').put(conversation));
  }

  async remove(id) {
    if (this.#database) await kept(this.#objects('readwrite').delete(id));
  }

  #objects(mode) {
    return this.#database.transaction(STORE, mode).objectStore(STORE);
  }
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
}

/** The end of a change: a request that succeeds may still find no room when its transaction is committed. */
function kept({transaction}) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** What was being answered when the page went away is not any more. */
function afterReload(conversation) {
  for (const message of conversation.messages) {
    if (message.state === 'streaming') message.state = 'stopped';
  }
  return conversation;
}
