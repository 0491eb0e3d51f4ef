// The supervisors' board.

import * as alerts from "./alerts.js";
import { live } from "./live.js";

const page = document.getElementById("board");

const { refresh } = live({ root: page, url: () => page.dataset.fragment, changed: alerts.attend });
alerts.watch(refresh);
