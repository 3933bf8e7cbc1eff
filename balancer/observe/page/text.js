// Elements and words. Whatever comes from files becomes text nodes and attributes, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const COUNT = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function byId(id) {
  return document.getElementById(id);
}

/** Characters that a reader would not see, or that turn the reading direction, made visible. */
function plain(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, '\uFFFD');
}

function count(number) {
  return number < 100000 ? COUNT.format(number) : SHORT.format(number);
}

function perSecond(rate) {
  if (rate === null) return '';
  if (rate === 0) return '0/s';
  return (rate < 0.1 ? '<0.1' : rate < 10 ? rate.toFixed(1) : count(Math.round(rate))) + '/s';
}

function plural(number, word, many) {
  return `${count(number)} ${number === 1 ? word : many || word + 's'}`;
}

function ago(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return `${seconds} s ago`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

function hostPort(address, port) {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function percent(part, whole) {
  if (!part) return '0 %';
  const share = (100 * part) / whole;
  return share < 1 ? '<1 %' : `${Math.round(share)} %`;
}
