// Volley: the parts of a page that change come by themselves. Everything works without this file.
"use strict";
(() => {
  const main = document.querySelector("main[data-view]");
  const state = document.getElementById("live");

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    const find = document.querySelector(".find input");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && find) {
      event.preventDefault();
      find.focus();
      find.select();
    } else if (event.key === "Escape" && typing) {
      typing.blur();
    }
  });

  if (!main || !window.EventSource) return;

  // Which of the part's links, buttons and scroll areas has the focus: its successor gets it.
  const focusable = "a, button, input, select, [tabindex]";
  const waiting = new Map();

  const say = (text, trouble) => {
    state.hidden = false;
    state.textContent = text;
    state.classList.toggle("trouble", trouble);
  };

  // What a button of the mouse or a finger is down on: a click is only one where both ends of it are on the same element.
  let pressed = null;
  document.addEventListener("pointerdown", (event) => { pressed = event.target; });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => setTimeout(() => { pressed = null; }));
  }

  // Somebody who presses a button, marks text, or is at a form, is not disturbed; the part is replaced when he is done.
  const busy = (part) => {
    if (pressed && part.contains(pressed)) return true;
    const at = document.activeElement;
    if (at && part.contains(at) && at.matches("input, select, textarea")) return true;
    const marked = window.getSelection();
    return marked && !marked.isCollapsed && part.contains(marked.anchorNode);
  };

  const replace = (id, html) => {
    const part = document.getElementById(id);
    if (!part || part.hasAttribute("data-still")) return;
    if (busy(part)) {
      waiting.set(id, html);
      part.toggleAttribute("data-waits", true);
      return;
    }
    waiting.delete(id);
    part.toggleAttribute("data-waits", false);
    if (part.innerHTML === html) return;
    const focused = part.contains(document.activeElement) ? [...part.querySelectorAll(focusable)].indexOf(document.activeElement) : -1;
    const scrolled = [...part.querySelectorAll(".scroll")].map((area) => area.scrollLeft);
    part.innerHTML = html;
    part.querySelectorAll(".scroll").forEach((area, i) => { area.scrollLeft = scrolled[i] || 0; });
    if (focused >= 0) {
      const next = part.querySelectorAll(focusable)[focused];
      if (next) next.focus({ preventScroll: true });
    }
  };

  let source = null;
  const open = () => {
    source = new EventSource("/live?view=" + encodeURIComponent(main.dataset.view));
    source.onopen = () => say("live", false);
    source.onmessage = (event) => {
      const part = JSON.parse(event.data);
      replace(part.id, part.html);
      say("live", false);
    };
    source.addEventListener("trouble", () => say("the broker does not answer", true));
    source.onerror = () => {
      say(source.readyState === EventSource.CLOSED ? "not live: load the page again" : "connection lost, trying again…", true);
    };
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  setInterval(() => waiting.forEach((html, id) => replace(id, html)), 1000);

  // A page that nobody sees asks for nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => { if (event.persisted && !source) open(); });
  if (!document.hidden) open();
})();
