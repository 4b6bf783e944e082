// What the connect pages do more with scripts than without: leave a frame also in browsers that do
// not tell the server about it, and tell the page that opened this window how connecting ended.
(() => {
  "use strict";

  const isFramed = window.parent !== window;
  const isOpened = window.opener !== null;

  if (isFramed) {
    for (const leaving of document.querySelectorAll("[data-leaves]")) {
      leaving.target = "_blank"; // consent pages never stand in a frame
      leaving.rel = "opener";
    }
  }
  if (isFramed || isOpened) {
    for (const input of document.querySelectorAll('input[name="display"]')) {
      input.value = "popup";
    }
  }

  const outcome = document.getElementById("outcome");
  if (!outcome) {
    return;
  }
  const { status, provider, connection, state, listeners, display } = outcome.dataset;
  const message = { source: "hub.connect", status, provider, connection, state };
  const origins = listeners.split(" ").filter(Boolean);

  // The opener is the tenant's page, or our own page in a frame of it; each message names the one
  // origin that may read it, so whoever else has a window there hears nothing.
  const windows = new Set([window.opener, window.opener?.parent, window.parent]);
  for (const listener of windows) {
    if (listener && listener !== window) {
      for (const origin of origins) {
        listener.postMessage(message, origin);
      }
    }
  }

  const isOver = status !== "refused"; // a refusal stays, to be read
  if (display === "popup" && isOver && !isFramed) {
    if (isOpened && origins.length) {
      window.close();
    } else {
      document.getElementById("back")?.click(); // a provider cut the tie to the opener
    }
  }
})();
