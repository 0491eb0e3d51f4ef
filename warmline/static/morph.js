// Makes an element like a newer one from the server and leaves alone what is the same, so that focus, typed text,
// scroll positions and what a screen reader is reading survive.
//
// An element marked `data-keep` belongs to the page once it is there: a form somebody types in, a button whose state
// is known only here. One marked `data-own` was put there by the page, last among its siblings (pressed.js). Children are
// paired by id, or, without ids, by their place and kind.

const OF_THE_PAGE = new Set(["aria-busy", "aria-disabled"]); // of what is busy

export function morph(current, newer) {
  if (current.isEqualNode(newer)) return;
  if (current.nodeType !== Node.ELEMENT_NODE) {
    current.data = newer.data;
    return;
  }
  if (current.hasAttribute("data-keep")) return;
  copyAttributes(current, newer);
  morphChildren(current, newer);
}

function copyAttributes(current, newer) {
  const isBusy = current.hasAttribute("aria-busy");
  for (const { name } of [...current.attributes]) {
    if (!newer.hasAttribute(name) && !(isBusy && OF_THE_PAGE.has(name))) current.removeAttribute(name);
  }
  for (const { name, value } of newer.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
}

function morphChildren(current, newer) {
  const wanted = new Set([...newer.children].map((child) => child.id).filter(Boolean));
  let place = current.firstChild;
  for (const child of [...newer.childNodes]) {
    // What will not be there any more goes first: what stays is then never moved, and a moved element loses focus.
    while (place?.id && place.id !== child.id && !wanted.has(place.id)) place = remove(place);
    const found = child.id ? [...current.children].find((other) => other.id === child.id) : null;
    if (found && found !== place) current.insertBefore(found, place);
    if (found) {
      place = found.nextSibling;
      morph(found, child);
    } else if (place && alike(place, child)) {
      morph(place, child);
      place = place.nextSibling;
    } else {
      current.insertBefore(child, place);
    }
  }
  while (place) place = isOwn(place) ? place.nextSibling : remove(place);
}

function isOwn(node) {
  return node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-own");
}

function alike(one, other) {
  return !isOwn(one) && !one.id && !other.id && one.nodeName === other.nodeName;
}

function remove(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
