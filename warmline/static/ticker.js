// A worker that ticks. Browsers slow the timers of a hidden page down to one a minute, and then a peer whose console
// lies behind another window would count as gone; a worker's timers go on.

setInterval(() => postMessage(null), 1000);
