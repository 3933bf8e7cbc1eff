// What is above and beside the lists: header, banner, problems, one service's detail, and the kernel's side.

const REASONS = {
  forwarded: 'To a backend, picked at random',
  affinity: 'To the backend that the client is kept on',
  socket: 'To the backend that the UDP socket is kept on',
  fallback: 'To the fallback, from a redirect’s own backend',
  rate_limited: 'To the fallback, above a redirect’s rate',
  refused: 'Refused, no usable endpoint',
  unreachable: 'Unreachable, no local endpoint',
  unknown_port: 'Refused, no such port',
};

const EFFECTS = {
  effective: ['ok', 'in effect'],
  unverified: ['warn', 'not verified'],
  ineffective: ['bad', 'not in effect'],
};

function header(page) {
  const { health, model } = page;
  const [tone, words] = health.loaded ? EFFECTS[health.effect] : ['bad', 'not loaded'];
  const chip = byId('effect');
  chip.className = `chip ${page.gone ? 'plain' : tone}`;
  setText(chip, page.gone ? `last seen: ${words}` : words);
  setText(byId('node'), plain(model.host.node));
  document.title = `${page.gone ? 'gone: ' : tone === 'ok' ? '' : `${words}: `}balancer on ${plain(model.host.node)}`;
  const last = health.last_pass;
  const facts = [
    ['Last pass', last ? `${plain(last.result)}, ${ago(page.hostTime() - Date.parse(last.time))}` : 'none on record',
      last && last.result !== 'converged' && 'bad-text'],
    last && ['In force', `${plural(page.model.byName.size, 'frontend')} from ${plural(last.files, 'file')}`],
    ['Host', plain(model.host.name)],
    ['Version', model.host.version],
    health.build_id && ['Build', health.build_id],
    ['This page', page.gone ? 'out of date' : 'live', page.gone && 'bad-text'],
  ];
  const drawn = facts.filter(Boolean);
  const list = byId('facts');
  if (list.children.length !== drawn.length) list.replaceChildren(...drawn.map(() => h('div', {}, h('dt'), h('dd'))));
  drawn.forEach(([name, value, tint], index) => {
    const [term, text] = list.children[index].children;
    setText(term, name);
    setText(text, value);
    text.className = tint || '';
  });
}

/** What a reader has to know first; said once, not at every refresh. */
function banner(page) {
  const notices = [];
  if (page.gone) {
    const since = page.lastAnswer ? ` since ${page.lastAnswer.toLocaleTimeString()}` : '';
    const why = page.gone === true ? `The agent does not answer${since}.` : `The agent cannot tell: ${plain(page.gone)}`;
    notices.push(['bad', `${why} What is shown is what was known then. Services stay in force when the agent ends; changed files have no effect until it is back.`]);
  } else if (page.health && !page.health.loaded) {
    notices.push(['bad', 'Nothing is loaded: no connection is translated on this host.']);
  } else if (page.health && page.health.effect !== 'effective') {
    const hooks = page.health.hooks.filter((hook) => !hook.attached || hook.note).map((hook) => `${hook.hook}: ${hook.note || 'not attached'}`);
    notices.push([page.health.effect === 'unverified' ? 'warn' : 'bad', plain([page.health.canary, ...hooks].filter(Boolean).join('; ')) || 'Connections are not translated.']);
  }
  if (!page.gone && page.late()) notices.push(['warn', 'No pass was made for a long time: is the agent still at work?']);
  const text = notices.map(([, words]) => words).join('\n');
  if (text === page.said) return;
  page.said = text;
  byId('banner').replaceChildren(...notices.map(([tone, words]) => h('p', { class: `notice ${tone}` }, words)));
}

function problemsView(page) {
  const { problems, stale } = page.model;
  const found = matching(problems, page.search);
  byId('problems').hidden = problems.length + stale.length === 0;
  const title = [
    problems.length && plural(problems.length, 'problem'),
    stale.length && `${plural(stale.length, 'file')} served from ${stale.length === 1 ? 'its' : 'their'} last good content`,
  ].filter(Boolean).join(', ');
  setText(byId('problems-title'), title);
  const shown = found.slice(0, page.problemLimit);
  const rest = found.length - shown.length;
  byId('problems-list').replaceChildren(...[
    ...stale.slice(0, 10).map((file) => h('div', { class: 'problem warning', 'data-stale': file }, h('span', { class: 'mono' }, file),
      ' has errors: what it said before stays in force')),
    stale.length > 10 && h('p', { class: 'quiet' }, `${count(stale.length - 10)} more such files`),
    ...shown.map(problemCard),
    rest > 0 && h('button', { type: 'button', id: 'more-problems', onclick: page.moreProblems }, `Show ${count(rest)} more`),
    problems.length > 0 && !found.length && h('p', { class: 'quiet' }, 'None fits the search.'),
  ].filter(Boolean));
}

function problemCard(problem) {
  const where = problem.line ? `${problem.file}:${problem.line}:${problem.column}` : problem.file;
  const what = [problem.object, problem.path === '$' ? '' : problem.path].filter(Boolean).join(' ');
  return h('article', { class: `problem ${problem.severity}` },
    h('span', { class: `chip ${problem.severity === 'error' ? 'bad' : 'warn'}` }, problem.severity), ' ',
    where && h('span', { class: 'mono place' }, where),
    h('div', {}, problem.message, what && h('span', { class: 'quiet' }, ` (${what})`)),
    problem.line_text && h('pre', { tabindex: 0, 'aria-label': 'the line of the file' }, problem.line_text, '\n',
      h('span', { class: 'caret' }, problem.caret)));
}

function detailView(page, service) {
  const width = Math.max(260, byId('list').clientWidth - 34);
  const all = service.frontends;
  const backends = [...new Set(all.flatMap((item) => [...item.backends, ...item.fallback]))];
  const { rows, button } = limited(all, page.detailLimit, (frontend) => frontendRow(page, frontend), page.moreDetail);
  return [
    h('div', { class: 'head' }, h('h2', { id: 'detail-title', tabindex: -1 }, plain(service.title), ' ',
      h('span', { class: 'chip plain' }, service.kind || 'object')), h('a', { href: `#${page.view}`, id: 'close' }, 'Close')),
    h('p', { class: 'quiet' }, service.file ? ['Defined in ', h('span', { class: 'mono' }, service.file)] : 'Not known where it is defined'),
    h('figure', {}, picture(page, service, width),
      h('figcaption', {}, `${plural(all.length, 'address', 'addresses')}, ${plural(backends.length, 'backend')}. ${choosing(all)}`)),
    chainTable(service),
    h('table', {}, h('caption', { class: 'skip' }, 'Addresses'), h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Address'), h('th', { scope: 'col', class: 'gets' }, 'Connections get'),
      h('th', { scope: 'col', class: 'number' }, 'Forwarded'), h('th', { scope: 'col', class: 'number' }, 'Rejected'))), h('tbody', {}, rows)),
    button, backendList(page, backends),
  ];
}

/** How one of several backends is chosen. */
function choosing(frontends) {
  const seconds = Math.max(...frontends.map((item) => item.affinity_seconds || 0));
  const kept = seconds ? ` A client stays with its backend for ${count(seconds)} s after it last connected.` : '';
  return `A new connection gets one of the backends at random.${kept}`;
}

/** Who decides, from the highest priority down, where it is not the Service alone. */
function chainTable(service) {
  const chained = service.frontends.find((item) => item.chain.length);
  if (!chained) return null;
  const links = [{ ...chained, use: 'used' }, ...chained.chain];
  const words = { used: 'decides', fallback: 'fallback: above its rate, and for its own backends', unused: 'takes over once what is above it goes' };
  return [h('h3', {}, 'Who decides, highest first'), h('ol', {}, links.map((link) => h('li', {}, h('strong', {}, link.object || 'not known'), `: ${words[link.use]} `,
    h('span', { class: 'quiet mono' }, link.file))))];
}

function backendList(page, backends) {
  const shown = backends.slice(0, page.detailLimit);
  const rest = backends.length - shown.length;
  return backends.length > 0 && h('details', { open: page.open, ontoggle: (event) => { page.open = event.target.open; } },
    h('summary', {}, `${plural(backends.length, 'backend')} as a list`),
    h('ul', {}, shown.map((backend) => h('li', { class: 'mono' }, [backend.name, backend.pod, backend.node].filter(Boolean).join(' · ')))),
    rest > 0 && h('p', { class: 'quiet' }, `${count(rest)} more`));
}

function kernelView(page) {
  const { health } = page;
  const reasons = Object.entries(health.counters);
  return [
    h('div', { class: 'head' }, h('h2', { id: 'list-title' }, 'Kernel'), h('span', { class: 'quiet' }, health.build_id ? `build ${health.build_id}` : '')),
    h('h3', {}, 'Maps'),
    h('table', { id: 'maps' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Map'), h('th', { scope: 'col' }, 'Full'), h('th', { scope: 'col', class: 'number' }, 'Entries'),
      h('th', { scope: 'col', class: 'number' }, 'Room for'))), h('tbody', {}, health.maps.map((map) => h('tr', { 'data-map': map.name }, h('td', { class: 'mono' }, map.name),
      h('td', {}, h('meter', { min: 0, max: map.capacity, high: 0.9 * map.capacity, value: map.used, 'aria-label': `${map.name} is full to` }), ` ${percent(map.used, map.capacity)}`),
      h('td', { class: 'number' }, count(map.used), h('span', { class: 'unit' }, ' entries')), h('td', { class: 'number' }, count(map.capacity), h('span', { class: 'unit' }, ' at most')))))),
    h('h3', {}, 'Hooks'),
    h('ul', {}, health.hooks.map((hook) => h('li', {}, h('span', { class: 'mono' }, hook.hook), ' ',
      hook.attached ? 'attached' : h('strong', { class: 'bad-text' }, 'not attached'), hook.note && `: ${plain(hook.note)}`))),
    health.canary && h('p', {}, `Canary: ${plain(health.canary)}`),
    h('h3', {}, 'Decisions since the programs were loaded'),
    h('dl', { class: 'facts' }, reasons.map(([reason, number]) => [h('dt', {}, REASONS[reason] || plain(reason)), h('dd', {}, count(number))])),
  ];
}
