// From what the server tells to what is shown: services, words to search in, rates. No elements here.

const KINDS = ['ClusterIP', 'VIP', 'ExternalIP', 'LoadBalancer', 'NodePort', ''];
const ANY = new Set(['0.0.0.0', '::']);
const WINDOW = 5; // samples that a rate is taken over

/** Everything by service. `index` of a frontend is its place in the counts. */
function modelOf(state) {
  const backends = state.backends.map(([address, port, node, pod], index) => ({
    index, node: plain(node), pod: plain(pod), name: hostPort(address, port), services: new Set(),
  }));
  const services = new Map();
  state.frontends.forEach((item, index) => {
    const frontend = {
      ...item, index, object: plain(item.object), file: plain(item.file), port_name: plain(item.port_name),
      chain: (item.chain || []).map((link) => ({ ...link, object: plain(link.object), file: plain(link.file) })),
      backends: item.backends.map((number) => backends[number]),
      fallback: (item.fallback || []).map((number) => backends[number]),
    };
    const key = ownerOf(frontend);
    if (!services.has(key)) services.set(key, { key, ...titleOf(key), frontends: [] });
    services.get(key).frontends.push(frontend);
    for (const backend of [...frontend.backends, ...frontend.fallback]) backend.services.add(key);
  });
  for (const service of services.values()) complete(service);
  const sorted = [...services.values()].sort((a, b) => (a.title < b.title ? -1 : a.title > b.title ? 1 : 0));
  for (const backend of backends) backend.words = wordsOf([backend.name, backend.node, backend.pod, ...backend.services]);
  return {
    version: state.version, host: state.host, services: sorted, byKey: services, backends,
    byName: new Map(sorted.flatMap((service) => service.frontends.map((item) => [item.name, item]))),
    policies: state.policies.map(policyOf), problems: state.problems.map(problemOf).sort((a, b) => (a.severity === b.severity ? 0 : a.severity === 'error' ? -1 : 1)), stale: state.stale_files.map(plain),
  };
}

/** The Service that a frontend belongs to; where there is none, the object that decides. */
function ownerOf(frontend) {
  const links = [frontend, ...frontend.chain];
  const service = links.find((link) => link.source === 'service' && link.object);
  return (service || frontend).object || `unknown ${frontend.name}`;
}

function titleOf(key) {
  const [kind, ...rest] = key.split(' ');
  return { kind: rest.length ? kind : '', title: rest.join(' ') || key };
}

function complete(service) {
  service.frontends.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.port - b.port);
  const links = service.frontends.flatMap((item) => [item, ...item.chain]);
  service.file = (links.find((link) => link.object === service.key) || service.frontends[0]).file;
  service.wrong = service.frontends.some((item) => item.action !== 'forward');
  const words = [service.key];
  for (const item of service.frontends) words.push(item.name, item.kind, item.port_name, item.action, shownAddress(item));
  for (const link of links) words.push(link.object, link.file);
  const backends = new Set(service.frontends.flatMap((item) => [...item.backends, ...item.fallback]));
  for (const backend of backends) words.push(backend.name, backend.pod, backend.node);
  service.words = wordsOf(words);
}

function policyOf(item) {
  const policy = { ...item };
  for (const name of ['name', 'file', 'reason', 'target']) policy[name] = plain(item[name]);
  policy.words = wordsOf([policy.kind, policy.name, policy.file, policy.reason, policy.target, ...item.frontends, ...item.backends]);
  return policy;
}

function problemOf(item) {
  const [line, caret] = item.excerpt.split('\n');
  const problem = { ...item, line_text: line.replaceAll('\t', ' '), caret: (caret || '').replaceAll('\t', ' ') };
  for (const name of ['file', 'object', 'path', 'message']) problem[name] = plain(item[name]);
  problem.words = wordsOf([problem.file, problem.object, problem.message, problem.severity]);
  return problem;
}

function wordsOf(parts) {
  return [...new Set(parts)].join('\n').toLowerCase();
}

/** Those that have every word of the search somewhere. */
function matching(items, search) {
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  return wanted.length ? items.filter((item) => wanted.every((word) => item.words.includes(word))) : items;
}

function shownAddress(frontend) {
  const where = `${frontend.port}/${frontend.protocol}`;
  if (!ANY.has(frontend.address)) return frontend.name;
  return `any node address${frontend.address === '::' ? ' (IPv6)' : ''}:${where}`;
}

/** What a connection gets, in words. */
function outcome(action, backends) {
  if (action === 'refuse') return 'refused';
  if (action === 'unreachable') return 'unreachable';
  return plural(backends, 'backend');
}

/** Counts now and rates over the last few samples; by name, since places change with a pass. */
class Traffic {
  constructor() {
    this.samples = [];
  }

  add(model, counts, time) {
    const now = new Map();
    const places = model.places || (model.places = [...model.byName.values()].sort((a, b) => a.index - b.index));
    for (const [index, values] of Object.entries(counts)) if (places[index]) now.set(places[index].name, values);
    this.samples.push({ time, now });
    if (this.samples.length > WINDOW) this.samples.shift();
  }

  /** Counts, and rates per second, null until there are two samples. What fell back was forwarded, too. */
  of(frontends) {
    const sum = { forwarded: 0, rejected: 0, fell: 0, limited: 0, forwardRate: null, rejectRate: null, fallRate: null };
    const last = this.samples[this.samples.length - 1];
    if (!last) return sum;
    const first = this.samples[0];
    const seconds = (last.time - first.time) / 1000;
    if (seconds > 0) sum.forwardRate = sum.rejectRate = sum.fallRate = 0;
    for (const { name } of frontends) {
      const now = last.now.get(name);
      if (!now) continue;
      sum.forwarded += now[0];
      sum.rejected += now[1];
      sum.fell += now[2];
      sum.limited += now[3];
      if (seconds <= 0) continue;
      const before = first.now.get(name) || [0, 0, 0, 0];
      const grown = now.map((value, place) => (value < before[place] ? value : value - before[place]) / seconds);
      sum.forwardRate += grown[0];
      sum.rejectRate += grown[1];
      sum.fallRate += grown[2] + grown[3];
    }
    return sum;
  }
}
