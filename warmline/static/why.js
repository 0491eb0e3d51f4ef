// Why somebody still waits, or was not asked: the answer, kept fresh.

import { live } from "./live.js";

const page = document.getElementById("why");

live({ root: page, url: () => page.dataset.fragment });
