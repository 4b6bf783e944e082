// Moves the progress of open sync runs: asks once a second, stops when none is open any more.
// Everything from the server is written as text. No run on the page, no request.
"use strict";

(() => {
  const EVERY = 1000; // milliseconds
  const SLOWEST = 15000; // milliseconds, while the server does not answer

  let wait = EVERY;

  function openRuns() {
    return [...document.querySelectorAll("[data-run]:not([data-ended])")];
  }

  function badge(tone, text) {
    const made = document.createElement("span");
    made.className = `badge ${tone}`;
    made.textContent = text;
    return made;
  }

  function cell(content) {
    const made = document.createElement("td");
    if (typeof content === "number") {
      made.className = "number";
      made.textContent = content.toLocaleString("en-US");
    } else {
      made.append(content);
    }
    return made;
  }

  function showBar(place, run) {
    if (!run.is_open) {
      place.dataset.ended = "";
      place.replaceChildren(badge(run.tone, run.state));
      return;
    }
    const bar = place.querySelector("progress");
    if (run.share === null) {
      bar.removeAttribute("value");
    } else {
      bar.value = run.share;
    }
    place.querySelector(".run-text").textContent = run.text;
  }

  function showFigures(run) {
    for (const place of document.querySelectorAll(`[data-of="${CSS.escape(run.id)}"]`)) {
      place.textContent = run.figures[place.dataset.figure] ?? place.textContent;
    }
  }

  function showCounts(run) {
    const place = document.querySelector(`[data-counts="${CSS.escape(run.id)}"]`);
    if (!place || !run.lines.length) return;
    let body = place.querySelector("tbody");
    if (!body) {
      location.reload(); // the first entity type has begun: let the server draw the table
      return;
    }
    const rows = run.lines.map((line) => {
      const row = document.createElement("tr");
      row.append(cell(line.name), cell(badge(line.tone, line.state)), ...line.counts.map(cell));
      return row;
    });
    body.replaceChildren(...rows);
  }

  async function ask() {
    const places = openRuns();
    if (!places.length) return finished();
    const ids = new Set(places.map((place) => place.dataset.run));
    const question = new URLSearchParams([...ids].map((id) => ["run", id]));
    try {
      const answer = await fetch(`${places[0].dataset.progress}?${question}`, {
        credentials: "same-origin",
        headers: { Accept: "application/json" },
        redirect: "error", // signed out meanwhile
      });
      if (answer.status === 403 || answer.status === 404) return;
      if (!answer.ok) throw new Error(String(answer.status));
      const { runs } = await answer.json();
      for (const run of runs) {
        for (const place of places) {
          if (place.dataset.run === run.id) showBar(place, run);
        }
        showFigures(run);
        showCounts(run);
      }
      wait = EVERY;
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
    }
    setTimeout(ask, wait);
  }

  function finished() {
    const page = document.querySelector("[data-reload-when-done]");
    if (page) location.reload(); // counts, badges and buttons beside the bars have changed too
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (openRuns().length) setTimeout(ask, EVERY);
  });
})();
