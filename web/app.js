// The page: puts the parts together.

import {answer} from './answer.js';
import {Api} from './api.js';
import {ChatView} from './chat_view.js';
import {Composer} from './composer.js';
import {ConversationStore, newConversation, newId, titleOf} from './conversations.js';
import {byId, element, icon, iconButton, setIcon} from './dom.js';
import {KeyDialog} from './key_dialog.js';
import {ModelBar} from './model_bar.js';
import {Panel} from './panel.js';
import {readPreference, writePreference} from './preferences.js';
import {ServerState} from './server_state.js';
import {Sidebar} from './sidebar.js';
import {ThemeSwitch} from './theme_switch.js';

const SAVE_INTERVAL = 1000; // milliseconds between two saves of an answer that grows

class App {
  conversations = [];
  current = null;
  running = new Map(); // conversation id -> {controller, message}

  async start() {
    this.api = new Api();
    this.store = await ConversationStore.open();
    this.conversations = await this.store.all().catch(() => []);
    this.server = new ServerState(
      this.api,
      () => this.serverChanged(),
      () => this.running.size > 0 || this.panel.shows('memory'),
    );
    this.keyDialog = new KeyDialog(this.api, () => this.server.ask());
    this.api.onKeyWanted = (insists) => this.keyDialog.ask(insists);
    this.sidebar = new Sidebar(byId('conversations'), {
      open: (conversation) => this.open(conversation),
      rename: (conversation, title) => this.rename(conversation, title),
      remove: (conversation) => this.remove(conversation),
    });
    this.view = new ChatView(
      byId('messages'),
      byId('scroll'),
      {edit: (message, text) => this.edit(message, text), retry: (message) => this.retry(message)},
      (follows) => (byId('to-end').hidden = follows),
    );
    this.composer = new Composer({
      send: (text) => this.send(text),
      stop: () => this.stop(),
      editLast: () => this.view.editLast(),
    });
    this.panel = new Panel(
      () => this.settingsChanged(),
      () => this.server.ask(),
    );
    this.modelBar = new ModelBar((model) => this.chooseModel(model));
    this.connectButtons();

    const last = readPreference('current', '');
    this.open(this.conversations.find(({id}) => id === last) ?? this.fresh());
    if (!this.store.keeps) this.tell('This browser keeps nothing: conversations end with this page.');
    await this.server.ask();
  }

  connectButtons() {
    byId('new-chat').prepend(icon('plus'));
    byId('new-chat').addEventListener('click', () => this.openNew());
    byId('bar-left').append(
      iconButton('menu', 'Conversations', () => this.showSidebar(true), {class: 'icon-button only-narrow'}),
    );
    byId('bar-right').append(this.panel.button('memory'), this.panel.button('settings'));
    byId('sidebar-buttons').append(
      iconButton('key', 'API key', () => this.keyDialog.change()),
      new ThemeSwitch().button,
    );
    setIcon(byId('to-end'), 'down');
    byId('to-end').addEventListener('click', () => this.view.toEnd());
    byId('shade').addEventListener('click', () => this.closeDrawers());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !event.isComposing && !byId('key-dialog').open) this.escape();
    });
    window.addEventListener('pagehide', () => this.saveRunning());
  }

  // Conversations

  /** One that nothing was asked in yet: not kept before something is. */
  fresh() {
    return newConversation(this.current?.model ?? readPreference('model', ''), {
      ...(this.current?.settings ?? readPreference('settings', {})),
    });
  }

  openNew() {
    this.open(this.fresh());
    this.composer.focus();
  }

  open(conversation) {
    this.current = conversation;
    writePreference('current', conversation.id);
    this.view.show(conversation);
    this.closeDrawers();
    this.panel.setSettings(conversation.settings);
    this.refresh();
  }

  rename(conversation, title) {
    conversation.named ||= title !== conversation.title;
    conversation.title = title;
    this.save(conversation);
    this.refresh();
  }

  async remove(conversation) {
    if (!this.conversations.includes(conversation)) return;
    this.running.get(conversation.id)?.controller.abort();
    this.conversations = this.conversations.filter((each) => each !== conversation);
    // Before the list shows it gone: it would be back after a reload in between.
    await this.store.remove(conversation.id).catch(() => {});
    if (conversation === this.current) this.open(this.conversations[0] ?? this.fresh());
    else this.refresh();
    this.tell(`"${conversation.title}" is deleted.`, 'Undo', () => {
      this.conversations.unshift(conversation);
      this.save(conversation);
      this.open(conversation);
    });
  }

  save(conversation) {
    if (!this.conversations.includes(conversation)) return;
    this.store.put(conversation).catch(() => this.tell('This browser has no room to keep the conversation.'));
  }

  saveRunning() {
    for (const conversation of this.conversations) {
      if (this.running.has(conversation.id)) this.save(conversation);
    }
  }

  // Messages

  send(text) {
    const conversation = this.current;
    if (this.running.has(conversation.id)) return;
    conversation.messages.push({id: newId(), role: 'user', content: text});
    this.respond(conversation);
  }

  /** What came after an edited message is forgotten. */
  edit(message, text) {
    const conversation = this.current;
    this.stop();
    message.content = text;
    this.view.update(message);
    conversation.messages.length = conversation.messages.indexOf(message) + 1;
    this.respond(conversation);
  }

  retry(message) {
    const conversation = this.current;
    this.stop();
    conversation.messages.length = conversation.messages.indexOf(message);
    this.respond(conversation);
  }

  async respond(conversation) {
    const asked = [...conversation.messages];
    const message = {id: newId(), role: 'assistant', content: '', state: 'streaming'};
    const controller = new AbortController();
    conversation.messages.push(message);
    conversation.updated = Date.now();
    if (!conversation.named) conversation.title = titleOf(asked[0].content);
    this.conversations = [conversation, ...this.conversations.filter((each) => each !== conversation)];
    this.running.set(conversation.id, {controller, message});
    this.view.continue(conversation);
    this.composer.focus();
    this.save(conversation);
    this.refresh();
    this.announce('Answering');
    this.server.ask();
    let saved = Date.now();
    const request = {...conversation, model: conversation.model || this.server.models[0], messages: asked};
    await answer(this.api, request, message, controller.signal, () => {
      if (conversation === this.current) this.view.update(message);
      if (Date.now() - saved < SAVE_INTERVAL) return;
      saved = Date.now();
      this.save(conversation);
    });
    // An edit may have begun another answer meanwhile.
    if (this.running.get(conversation.id)?.message === message) this.running.delete(conversation.id);
    if (conversation.messages.includes(message)) this.save(conversation);
    this.refresh();
    this.announce({done: 'Answer complete', stopped: 'Stopped'}[message.state] ?? 'The answer failed');
    this.server.ask();
  }

  stop() {
    const running = this.running.get(this.current.id);
    this.running.delete(this.current.id);
    running?.controller.abort();
    return running !== undefined;
  }

  // What is shown around them

  refresh() {
    const isAnswering = ({id}) => this.running.has(id);
    this.sidebar.show(this.conversations, this.current, isAnswering);
    this.composer.setAnswering(isAnswering(this.current));
    document.title = this.current.title ? `${this.current.title} · Caldera` : 'Caldera';
    this.serverChanged();
  }

  serverChanged() {
    const {models} = this.server;
    // A model that the server has no more: the default one answers.
    if (models.length > 0 && !models.includes(this.current.model)) this.current.model = models[0];
    const model = this.server.model(this.current.model);
    this.modelBar.show(this.server, this.current.model);
    this.composer.showContext(this.current.messages, model?.context);
    this.panel.setStatus(this.server.status);
    byId('version').textContent = this.server.status?.version ?? '';
    if (this.current.messages.length === 0) {
      this.view.greet(
        'What is on your mind?',
        model?.device ? `${model.name} answers on ${model.device.name}.` : '',
      );
    }
  }

  chooseModel(model) {
    this.current.model = model;
    writePreference('model', model);
    this.save(this.current);
    this.refresh();
  }

  settingsChanged() {
    writePreference('settings', this.current.settings);
    this.save(this.current);
  }

  showSidebar(shown) {
    byId('sidebar').classList.toggle('shown', shown);
    byId('shade').hidden = !shown;
    if (shown) byId('new-chat').focus();
  }

  closeDrawers() {
    this.showSidebar(false);
    if (matchMedia('(max-width: 1180px)').matches) this.panel.close();
  }

  escape() {
    if (byId('sidebar').classList.contains('shown')) this.showSidebar(false);
    else if (!this.stop()) this.panel.close();
  }

  announce(text) {
    byId('announcer').textContent = text;
  }

  /** A line above the conversation, for a while. */
  tell(text, action, act) {
    const notice = byId('notice');
    clearTimeout(this.noticeTimer);
    const hide = () => (notice.hidden = true);
    const button = action
      ? element('button', {type: 'button', onclick: () => (hide(), act())}, action)
      : null;
    notice.replaceChildren(text, ...(button ? [button] : []));
    notice.hidden = false;
    this.noticeTimer = setTimeout(hide, 8000);
  }
}

new App().start();
