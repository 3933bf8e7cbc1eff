// The path of one service as a picture: client, address, what decides, backends. Left to right where there
// is room, top to bottom on a phone. Every part of it is also in the tables beside it, as text.

const SHOWN_BACKENDS = 24;
const SHOWN_ADDRESSES = 12;
const ROW = 40; // height of a box
const GAP = 8;
const TITLE = 18; // height of a node's name above its backends
const MEASURE = document.createElement('canvas').getContext('2d');

/** Frontends with the same answer are one lane. */
function lanesOf(service) {
  const lanes = new Map();
  for (const frontend of service.frontends) {
    const numbers = (list) => list.map((backend) => backend.index);
    const id = JSON.stringify([frontend.source, frontend.object, frontend.action, numbers(frontend.backends),
      numbers(frontend.fallback), frontend.rate, frontend.affinity_seconds, frontend.chain]);
    if (!lanes.has(id)) lanes.set(id, []);
    lanes.get(id).push(frontend);
  }
  return [...lanes.values()].map((frontends) => ({ frontends, first: frontends[0] }));
}

/** The boxes of a lane by column: {lines, sub, kind, node} each. */
function boxesOf(page, lane) {
  const { first, frontends } = lane;
  const addresses = frontends.slice(0, SHOWN_ADDRESSES).map((frontend) => ({ text: shownAddress(frontend), frontend, kind: 'address' }));
  if (frontends.length > SHOWN_ADDRESSES) {
    addresses.push({ text: `${count(frontends.length - SHOWN_ADDRESSES)} more addresses`, sub: 'listed below', kind: 'address' });
  }
  const { kind, title } = titleOf(first.object || 'unknown object');
  const limits = [first.rate && `up to ${count(first.rate)}/s`, first.affinity_seconds && `affinity ${count(first.affinity_seconds)} s`];
  const decides = [{ text: title, sub: [kind, ...limits, limits.some(Boolean) ? '' : fileName(first.file)].filter(Boolean).join(' · '), kind: 'decides' }];
  for (const link of first.chain) {
    const below = titleOf(link.object || 'unknown object');
    const use = link.use === 'fallback' ? 'fallback' : 'not used now';
    decides.push({ text: below.title, sub: [below.kind, use].filter(Boolean).join(', '), kind: link.use, falling: link.use === 'fallback' && frontends });
  }
  const falls = first.chain.some((link) => link.use === 'fallback');
  const below = first.chain.length ? first.chain[0].action : 'forward';
  return {
    addresses, decides, ends: endsOf(first.action, first.backends, 'end'),
    fallback: falls ? endsOf(below, first.fallback, 'fallback') : [],
  };
}

/** Without its directories, which are told beside the picture. */
function fileName(file) {
  return file.slice(file.lastIndexOf('/') + 1);
}

/** Where it ends: backends, those of one node together, or the error that a client gets. */
function endsOf(action, backends, kind) {
  if (action === 'refuse') return [{ text: 'connection refused', sub: 'ECONNREFUSED: no usable endpoint', kind: 'refuses' }];
  if (action === 'unreachable') {
    return [{ text: 'host unreachable', sub: 'EHOSTUNREACH: no endpoint that a Local policy allows', kind: 'refuses' }];
  }
  const sorted = [...backends].sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : a.index - b.index));
  const shown = sorted.slice(0, SHOWN_BACKENDS).map((backend) => (
    { text: backend.name, sub: backend.pod || 'pod not known', node: backend.node || 'node not known', kind }));
  if (sorted.length > SHOWN_BACKENDS) shown.push({ text: `${count(sorted.length - SHOWN_BACKENDS)} more backends`, sub: 'listed below', kind });
  return shown;
}

/** The picture for a width in pixels. */
function picture(page, service, width) {
  const wide = width >= 640;
  const lanes = lanesOf(service).slice(0, 12).map((lane) => ({ ...lane, boxes: boxesOf(page, lane) }));
  const parts = [];
  let top = 2;
  for (const lane of lanes) top = (wide ? across : down)(page, lane, parts, top, width) + 18;
  const client = wide ? clientBox(page, lanes, top - 18) : [];
  const marker = s('marker', { id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto', markerUnits: 'userSpaceOnUse' },
    s('path', { d: 'M0 0 8 4 0 8z', class: 'tip' }));
  return s('svg', { class: 'path', viewBox: `0 0 ${width} ${top - 16}`, role: 'img', 'aria-labelledby': 'path-title path-desc' },
    s('title', { id: 'path-title' }, `Path of connections to ${plain(service.title)}`),
    s('desc', { id: 'path-desc' }, lanes.map(sentence).join(' ')), s('defs', {}, marker), client, parts);
}

function sentence({ frontends, first, boxes }) {
  const names = boxes.addresses.map((box) => box.text).join(', ');
  const ends = boxes.ends.map((box) => (box.node ? `${box.text} on ${box.node}` : box.text)).join(', ');
  const rest = boxes.fallback.length ? ` Fallback: ${boxes.fallback.map((box) => box.text).join(', ')}.` : '';
  return `Connections to ${names} are decided by ${first.object || 'an unknown object'} and go to ${ends || 'nothing'}.${rest}`;
}

/** One lane from left to right; returns where the next may begin. */
function across(page, lane, parts, top, width) {
  const { addresses, decides, ends, fallback } = lane.boxes;
  const left = 100;
  const gap = Math.min(70, Math.max(34, width / 18));
  const room = (width - left - 3 * gap - 4) / 3;
  const columns = [left + gap, left + 2 * gap + room, left + 3 * gap + 2 * room];
  const heights = [stack(addresses), stack(decides), stack([...ends, ...fallback]) + (fallback.length ? GAP : 0)];
  const height = Math.max(...heights);
  const at = (column) => top + (height - heights[column]) / 2;
  const edges = [];
  const first = place(page, addresses, columns[0], at(0), room, parts);
  const middle = place(page, decides, columns[1], at(1), room, parts);
  const last = place(page, ends, columns[2], at(2), room, parts);
  const spare = place(page, fallback, columns[2], at(2) + (fallback.length ? stack(ends) + 2 * GAP : 0), room, parts);
  lane.entries = first;
  const center = middle[0];
  for (const box of first) edges.push(edge(page, box.right, center.left, '', box.frontend ? [box.frontend] : []));
  for (const box of last) edges.push(edge(page, center.right, box.left, box.kind === 'refuses' ? 'refused' : '', lane.frontends, 'ownRate'));
  const chained = middle.find((box) => box.kind === 'fallback');
  for (const box of chained ? spare : []) edges.push(edge(page, chained.right, box.left, 'fallback', lane.frontends, 'fallRate'));
  parts.unshift(...edges);
  return top + height;
}

/** One lane from top to bottom. */
function down(page, lane, parts, top, width) {
  const { addresses, decides, ends, fallback } = lane.boxes;
  const room = width - 4;
  const arrow = (from, classes, rate) => parts.push(edge(page, [width / 2, from], [width / 2, from + 22], classes, lane.frontends, rate, true));
  let next = place(page, [{ text: 'client', sub: 'on this host', kind: 'client' }], 2, top, room, parts)[0].bottom;
  for (const boxes of [addresses, decides, ends]) {
    const refused = boxes === ends && ends.some((box) => box.kind === 'refuses');
    arrow(next, refused ? 'refused' : '', boxes === ends ? 'ownRate' : 'forwardRate');
    next = bottomOf(place(page, boxes, 2, next + 24, room, parts), next + 24);
  }
  if (!fallback.length) return next;
  arrow(next, 'fallback', 'fallRate');
  parts.push(s('text', { x: width / 2 + 10, y: next + 16, class: 'sub' }, 'fallback'));
  return bottomOf(place(page, fallback, 2, next + 24, room, parts), next + 24);
}

function bottomOf(boxes, otherwise) {
  return boxes.length ? Math.max(...boxes.map((box) => box.bottom)) + (boxes.some((box) => box.node) ? 5 : 0) : otherwise;
}

/** The height of boxes below each other, with a title above those of a node. */
function stack(boxes) {
  const titles = boxes.filter((box, index) => box.node && box.node !== (boxes[index - 1] || {}).node).length;
  return boxes.length * (ROW + GAP) - (boxes.length ? GAP : 0) + titles * (TITLE + GAP);
}

/** Draws boxes below each other; each comes back with the points that edges go to. */
function place(page, boxes, x, y, width, parts) {
  const placed = [];
  let group = null;
  boxes.forEach((box, index) => {
    if (box.node && box.node !== (boxes[index - 1] || {}).node) {
      parts.push(s('text', { x: x + 4, y: y + 13, class: 'sub' }, fit(`node ${box.node}`, width - 8, '12px sans-serif')));
      y += TITLE;
      group = s('rect', { x: x - 3, y: y - TITLE, width: width + 6, height: TITLE, rx: 8, class: 'nodebox' });
      parts.push(group);
    }
    parts.push(drawn(page, box, x, y, width));
    if (box.node && group) group.setAttribute('height', y + ROW + 4 - Number(group.getAttribute('y')));
    placed.push({ ...box, left: [x, y + ROW / 2], right: [x + width, y + ROW / 2], bottom: y + ROW });
    const ends = box.node && box.node !== (boxes[index + 1] || {}).node;
    y += ROW + GAP + (ends ? GAP : 0);
  });
  return placed;
}

function drawn(page, box, x, y, width) {
  const sub = s('text', { x: x + 9, y: y + 32, class: 'sub' }, fit(box.sub || '', width - 16, '12px sans-serif'));
  const say = (text) => setText(sub, fit(text, width - 16, '12px sans-serif'));
  if (box.frontend) page.watch(sub, () => say(tale(page, box.frontend)));
  if (box.falling) page.watch(sub, () => say([box.sub, fallen(page, box.falling)].filter(Boolean).join(' · ')));
  return s('g', { class: box.kind }, s('title', {}, [box.text, box.sub].filter(Boolean).join('\n')),
    s('rect', { x, y, width, height: ROW, rx: 6, class: 'box' }),
    s('text', { x: x + 9, y: y + 16.5 }, fit(box.text, width - 16, '12.5px monospace')), sub);
}

/** What the fallback got, while it gets any. */
function fallen(page, frontends) {
  const { fell, limited, fallRate } = page.traffic.of(frontends);
  return fell + limited > 0 && `${count(fell + limited)} · ${perSecond(fallRate)}`;
}

/** `ClusterIP http · 120 · 3.2/s` */
function tale(page, frontend) {
  const traffic = page.traffic.of([frontend]);
  const numbers = [`${count(traffic.forwarded)} forwarded`, perSecond(traffic.forwardRate)];
  if (traffic.rejected) numbers.push(`${count(traffic.rejected)} rejected`);
  return [[frontend.kind, frontend.port_name].filter(Boolean).join(' '), ...numbers].filter(Boolean).join(' · ');
}

/** `rate` is the one that makes it busy: of what is forwarded, `ownRate` is what did not fall back. */
function edge(page, [x, y], [toX, toY], classes, frontends, rate = 'forwardRate', straight = false) {
  const bend = (toX - x) / 2;
  const line = straight ? `M${x} ${y + 1}V${toY}` : `M${x} ${y}C${x + bend} ${y} ${toX - bend} ${toY} ${toX} ${toY}`;
  const path = s('path', { d: line, class: `edge ${classes}`, 'marker-end': 'url(#tip)' });
  const moving = (traffic) => (rate === 'ownRate' ? traffic.forwardRate - traffic.fallRate : traffic[rate]);
  if (frontends.length) page.watch(path, () => path.classList.toggle('busy', moving(page.traffic.of(frontends)) > 0));
  return path;
}

/** The client beside all lanes. */
function clientBox(page, lanes, height) {
  const middle = height / 2;
  const edges = lanes.flatMap((lane) => lane.entries.map((box) => (
    edge(page, [102, middle], box.left, '', box.frontend ? [box.frontend] : []))));
  return [edges, s('g', { class: 'client' }, s('rect', { x: 2, y: middle - ROW / 2, width: 100, height: ROW, rx: 6, class: 'box' }),
    s('text', { x: 11, y: middle - 3 }, 'client'), s('text', { x: 11, y: middle + 13, class: 'sub' }, 'on this host'))];
}

/** The text, cut where it would leave the box. */
function fit(text, width, font) {
  MEASURE.font = font;
  if (MEASURE.measureText(text).width <= width) return text;
  let length = text.length - 1;
  while (length > 1 && MEASURE.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}
