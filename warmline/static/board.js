// The supervisors' board.

import { live } from "./live.js";

const page = document.getElementById("board");

live({ root: page, url: () => page.dataset.fragment });
