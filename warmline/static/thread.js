// A text thread: the newest text is in sight unless the peer has scrolled up to read; Ctrl+Enter sends.

const NEAR = 40; // px from the end that still count as the end

let seen = null; // the thread as it was last scrolled or drawn

export function scrollThread() {
  const thread = document.querySelector("[data-thread]");
  if (!thread) return;
  const wasAtEnd = seen?.id !== thread.id || seen.height - seen.top - thread.clientHeight < NEAR;
  if (wasAtEnd) thread.scrollTop = thread.scrollHeight;
  remember(thread);
}

function remember(thread) {
  seen = { id: thread.id, height: thread.scrollHeight, top: thread.scrollTop };
}

document.addEventListener("scroll", ({ target }) => {
  if (target instanceof Element && target.matches("[data-thread]")) remember(target);
}, true);

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("form[data-compose]");
  if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
