// Asks the agent, keeps what the reader chose, and draws. The only place that keeps anything.

const PAUSE = 2000; // milliseconds between two looks
const LONGEST_PAUSE = 15000;
const PATIENCE = 10000;
const VIEWS = { services: 'Services', backends: 'Backends', policies: 'Policies', kernel: 'Kernel' };

class StatusPage {
  constructor() {
    Object.assign(this, { model: null, health: null, traffic: new Traffic(), watched: [], gone: false, failures: 0, search: '',
      view: 'services', chosen: undefined, limit: STEP, problemLimit: 3, detailLimit: STEP, order: 'name', said: null, open: false, clockOffset: 0 });
    this.more = () => this.grow('limit', STEP);
    this.moreDetail = () => this.grow('detailLimit', STEP);
    this.moreProblems = () => this.grow('problemLimit', STEP);
  }

  start() {
    this.follow();
    byId('search').addEventListener('input', (event) => this.find(event.target.value));
    byId('find').addEventListener('submit', (event) => event.preventDefault());
    addEventListener('hashchange', () => { this.follow(); this.draw(); this.focusChosen(); });
    addEventListener('keydown', (event) => this.key(event));
    addEventListener('resize', () => { clearTimeout(this.resized); this.resized = setTimeout(() => this.drawDetail(), 150); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.look(); });
    this.look();
  }

  /** The view and the service that the address names. */
  follow() {
    const name = location.hash.slice(1);
    this.chosen = keyOf(location.hash);
    this.detailLimit = STEP;
    if (name in VIEWS && name !== this.view) Object.assign(this, { view: name, limit: STEP });
  }

  find(text) {
    Object.assign(this, { search: text, limit: STEP, problemLimit: 3 });
    if (this.model) this.drawLists();
  }

  key(event) {
    const typing = event.target.matches('input, select, textarea');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byId('search').focus();
    } else if (event.key === 'Escape' && this.search) {
      byId('search').value = '';
      this.find('');
    } else if (event.key === 'Escape' && this.chosen && !typing) location.hash = this.view;
  }

  setOrder(name) {
    Object.assign(this, { order: name, limit: STEP });
    this.drawLists();
  }

  grow(name, step) {
    this[name] += step;
    this.draw();
  }

  /** One look, and the next one later; none while nobody sees the page. */
  async look() {
    clearTimeout(this.timer);
    if (this.busy) return;
    this.busy = true;
    try {
      await this.refresh();
      Object.assign(this, { gone: false, failures: 0, lastAnswer: new Date() });
    } catch (error) {
      this.failures += 1;
      this.gone = error instanceof Refusal ? error.message : true;
    }
    this.busy = false;
    if (this.model) header(this);
    banner(this);
    if (!document.hidden) this.timer = setTimeout(() => this.look(), Math.min(PAUSE * 2 ** Math.min(this.failures, 3), LONGEST_PAUSE));
  }

  async refresh() {
    let live = this.model ? await this.ask('api/v1/live') : null;
    if (!live || live.version !== this.model.version) {
      const state = await this.ask('api/v1/state');
      live = state.live;
      this.model = modelOf(state);
      this.changed = true;
    }
    this.health = live.health;
    this.traffic.add(this.model, live.counts, performance.now());
    if (this.changed) this.draw();
    else this.tick();
    this.changed = false;
  }

  async ask(path) {
    const response = await fetch(path, { signal: AbortSignal.timeout(PATIENCE), credentials: 'omit' });
    const date = Date.parse(response.headers.get('Date') || '');
    if (date) this.clockOffset = date - Date.now();
    if (!response.ok) throw new Refusal((await response.text()).trim());
    return response.json();
  }

  hostTime() {
    return Date.now() + (Math.abs(this.clockOffset) > 2000 ? this.clockOffset : 0);
  }

  late() {
    const last = this.health && this.health.last_pass;
    const allowed = 3 * Math.max(60, this.model.host.resync_seconds) * 1000;
    return Boolean(last && this.hostTime() - Date.parse(last.time) > allowed);
  }

  /** Calls `update` now and at every look for as long as the element is in the page. */
  watch(element, update) {
    update();
    this.watched.push([element, update]);
  }

  tick() {
    this.watched = this.watched.filter(([element]) => element.isConnected);
    for (const [, update] of this.watched) update();
    const list = byId('list');
    if (this.view === 'kernel' || (this.view === 'services' && this.order !== 'name' && !list.matches(':hover, :focus-within'))) this.drawList();
  }

  /** Everything, with scroll, focus and what is typed where they were. */
  draw() {
    if (!this.model) return;
    header(this);
    this.drawDetail();
    this.drawLists();
  }

  drawLists() {
    problemsView(this);
    this.drawList();
    const found = this.found();
    const links = Object.entries(VIEWS).map(([name, title]) => h('a', { href: `#${name}`, 'aria-current': name === this.view && 'page', id: `view-${name}` },
      found[name] ? `${title} ${count(found[name].length)}` : title));
    this.keeping(() => byId('views').replaceChildren(...links));
  }

  found() {
    const { services, backends, policies } = this.model;
    return { services: matching(services, this.search), backends: matching(backends, this.search), policies: matching(policies, this.search) };
  }

  drawList() {
    const parts = { services: servicesView, backends: backendsView, policies: policiesView, kernel: kernelView }[this.view](this, this.found()[this.view]);
    this.keeping(() => byId('list').replaceChildren(...parts.filter(Boolean)));
  }

  drawDetail() {
    if (!this.model) return;
    const service = this.chosen && this.model.byKey.get(this.chosen);
    const detail = byId('detail');
    const parts = !this.chosen ? [] : service ? detailView(this, service) : [h('h2', { id: 'detail-title', tabindex: -1 }, plain(this.chosen)),
      h('p', {}, 'It is not in force on this host now. ', h('a', { href: `#${this.view}` }, 'Close'))];
    this.keeping(() => detail.replaceChildren(...parts.flat(9).filter(Boolean)));
    detail.hidden = !this.chosen;
  }

  focusChosen() {
    const title = byId('detail-title');
    if (!this.chosen || !title) return;
    title.focus({ preventScroll: true });
    byId('detail').scrollIntoView({ block: 'start' });
  }

  /** Replaces parts of the page without moving what the reader looks at, or taking the focus away. */
  keeping(replace) {
    const active = document.activeElement;
    const { id } = active;
    const key = active.dataset && active.dataset.key;
    const section = active.closest('section');
    const y = scrollY;
    replace();
    if (!active.isConnected) {
      const again = id ? byId(id) : key && section && [...section.querySelectorAll('[data-key]')].find((item) => item.dataset.key === key);
      if (again) again.focus({ preventScroll: true });
    }
    if (scrollY !== y) scrollTo({ top: y, behavior: 'instant' });
  }
}

/** The agent answers, and says why it cannot tell. */
class Refusal extends Error {}

new StatusPage().start();
