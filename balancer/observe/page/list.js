// The lists: only so many rows exist at a time, more on request. Numbers that move are refreshed in place.

const STEP = 100; // rows, then as many more with each press

const ORDERS = {
  name: ['Name', null],
  busy: ['Busiest first', (traffic) => traffic.forwardRate || 0],
  total: ['Most forwarded first', (traffic) => traffic.forwarded],
  rejected: ['Most rejected first', (traffic) => traffic.rejected],
};

function linkTo(service, text) {
  return h('a', { href: fragmentOf(service.key), 'data-key': service.key }, text || plain(service.title));
}

function fragmentOf(key) {
  const encoded = key.split('/').map(encodeURIComponent).join('/');
  return key.startsWith('Service ') ? `#service/${encoded.slice('Service%20'.length)}` : `#object/${encoded}`;
}

function keyOf(fragment) {
  const [, where, rest] = fragment.match(/^#(service|object)\/(.*)$/) || [];
  try {
    return where && (where === 'service' ? 'Service ' : '') + decodeURIComponent(rest);
  } catch {
    return undefined;
  }
}

/** A list's head, rows and the button for more. `make` gives the element of one item. */
function limited(items, limit, make, more) {
  const rest = items.length - limit;
  const button = rest > 0 && h('p', {}, h('button', { type: 'button', id: 'more', onclick: more },
    `Show ${plural(Math.min(rest, STEP), 'more', 'more')}`), ' ', h('span', { class: 'quiet' }, `${count(rest)} more`));
  return { rows: items.slice(0, limit).map(make), button };
}

function heading(title, shown, all, word, many, aside) {
  const text = shown === all ? plural(all, word, many) : `${count(shown)} of ${plural(all, word, many)}`;
  return h('div', { class: 'head' }, h('h2', { id: 'list-title' }, title, ' ',
    h('span', { class: 'quiet', id: 'list-count' }, text)), aside);
}

function servicesView(page, services) {
  const order = ORDERS[page.order][1];
  if (order) {
    const value = new Map(services.map((service) => [service, order(page.traffic.of(service.frontends))]));
    services = [...services].sort((a, b) => value.get(b) - value.get(a));
  }
  const choice = h('select', { id: 'order', onchange: (event) => page.setOrder(event.target.value) },
    Object.entries(ORDERS).map(([name, [text]]) => h('option', { value: name, selected: name === page.order }, text)));
  const { rows, button } = limited(services, page.limit, (service) => serviceRows(page, service), page.more);
  return [
    heading('Services', services.length, page.model.services.length, 'service', 'services',
      h('span', {}, h('label', { for: 'order', class: 'quiet' }, 'Order '), choice)),
    rows.length
      ? h('table', { id: 'services' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Address'),
        h('th', { scope: 'col', class: 'gets' }, 'Connections get'), h('th', { scope: 'col', class: 'number' }, 'Forwarded'),
        h('th', { scope: 'col', class: 'number' }, 'Rejected'))), rows)
      : h('p', { class: 'quiet' }, page.search ? 'Nothing fits the search.' : 'No service is in force.'),
    button,
  ];
}

function serviceRows(page, service) {
  const shown = service.frontends.slice(0, 20);
  const left = service.frontends.length - shown.length;
  const head = h('tr', {}, h('th', { colspan: 4, scope: 'rowgroup' }, linkTo(service),
    h('span', { class: 'quiet' }, [service.kind === 'Service' ? '' : service.kind, service.file].filter(Boolean).join(' · '))));
  return h('tbody', { 'data-service': service.key, class: service.key === page.chosen && 'chosen' }, head,
    shown.map((frontend) => frontendRow(page, frontend)),
    left > 0 && h('tr', {}, h('td', { colspan: 4, class: 'quiet' }, `${count(left)} more addresses: choose the service to see all`)));
}

function frontendRow(page, frontend) {
  const kinds = [frontend.kind, frontend.port_name].filter(Boolean).join(' · ');
  const gets = outcome(frontend.action, frontend.backends.length);
  const by = frontend.source && frontend.source !== 'service' ? `by ${frontend.object}` : '';
  return h('tr', { 'data-frontend': frontend.name },
    h('td', {}, h('span', { class: 'mono' }, shownAddress(frontend)), ' ', h('span', { class: 'quiet' }, kinds)),
    h('td', { class: 'gets' }, h('span', { class: frontend.action === 'forward' ? '' : 'bad-text' }, gets),
      by && h('span', { class: 'quiet' }, ` ${by}`)),
    counted(page, [frontend], 'forwarded', 'forwardRate'), counted(page, [frontend], 'rejected', 'rejectRate'));
}

/** A cell with a total and a rate that `page.tick` refreshes. */
function counted(page, frontends, total, rate) {
  const number = h('span', { class: 'total' });
  const speed = h('span', { class: 'quiet rate' });
  const unit = h('span', { class: 'unit' }, ` ${total} `);
  page.watch(number, () => {
    const traffic = page.traffic.of(frontends);
    setText(number, count(traffic[total]));
    setText(speed, traffic[rate] ? perSecond(traffic[rate]) : '');
    number.classList.toggle('bad-text', total === 'rejected' && traffic[total] > 0);
    number.classList.toggle('none', traffic[total] === 0);
  });
  return h('td', { class: 'number' }, number, unit, speed);
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function backendsView(page, backends) {
  const { rows, button } = limited(backends, page.limit, (backend) => {
    const owners = [...backend.services].map((key) => page.model.byKey.get(key));
    return h('tr', { 'data-backend': backend.name },
      h('td', {}, h('span', { class: 'mono' }, backend.name), h('div', { class: 'quiet' }, backend.pod)),
      h('td', { class: 'gets' }, backend.node || h('span', { class: 'quiet' }, 'not known')),
      h('td', {}, owners.slice(0, 3).map((service, place) => [place ? ', ' : '', linkTo(service)]),
        owners.length > 3 && `, ${count(owners.length - 3)} more`));
  }, page.more);
  return [
    heading('Backends', backends.length, page.model.backends.length, 'backend'),
    rows.length
      ? h('table', { id: 'backends' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Address and pod'),
        h('th', { scope: 'col', class: 'gets' }, 'Node'), h('th', { scope: 'col' }, 'Used by'))), h('tbody', {}, rows))
      : h('p', { class: 'quiet' }, 'None.'),
    button,
  ];
}

function policiesView(page, policies) {
  const { rows, button } = limited(policies, page.limit, (policy) => policyCard(page, policy), page.more);
  return [
    heading('Policies', policies.length, page.model.policies.length, 'policy', 'policies'),
    rows.length ? h('ul', { class: 'cards', id: 'policies' }, rows) : h('p', { class: 'quiet' }, 'None.'),
    button,
  ];
}

function policyCard(page, policy) {
  const decided = policy.frontends.map((name) => page.model.byName.get(name)).filter(Boolean);
  const service = decided.length && page.model.byKey.get(ownerOf(decided[0]));
  const numbers = h('dd', {});
  page.watch(numbers, () => {
    const traffic = page.traffic.of(decided);
    setText(numbers, `${count(traffic.forwarded)} (${perSecond(traffic.forwardRate)}), of these to the fallback: ` +
      `${count(traffic.fell)} by its own backends, ${count(traffic.limited)} above the rate`);
  });
  return h('li', { 'data-policy': policy.name },
    h('div', { class: 'head' }, h('strong', {}, policy.name),
      h('span', { class: `chip ${decided.length ? 'ok' : 'warn'}` }, decided.length ? 'in force' : 'not in force')),
    h('p', { class: 'quiet' }, `${policy.kind} · ${policy.file}`),
    policy.reason && h('p', { class: decided.length ? '' : 'warn-text' }, policy.reason),
    h('dl', { class: 'facts' },
      h('dt', {}, 'For'), h('dd', {}, service ? linkTo(service, policy.target || service.title) : policy.target || 'not known'),
      decided.length > 0 && [
        h('dt', {}, 'Decides'), h('dd', { class: 'mono' }, some(policy.frontends, 20)),
        h('dt', {}, 'Sends to'), h('dd', { class: 'mono' }, some(policy.backends, 20) || 'nothing'),
        h('dt', {}, 'Forwarded'), numbers,
      ]));
}

function some(names, most) {
  const rest = names.length - most;
  return names.slice(0, most).join(', ') + (rest > 0 ? `, ${count(rest)} more` : '');
}
