// What the pages do beyond links and forms. Everything here has a way without it.
(() => {
  "use strict";
  const body = document.body;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);

  // The reader's zone, for the times of the next page.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && body.dataset.zone !== undefined && body.dataset.zone !== zone) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `whale_zone=${encodeURIComponent(zone)}; Path=/dashboard; Max-Age=31536000; SameSite=Lax${secure}`;
  }

  // -- keys: the server's table says what each does
  const keys = JSON.parse(body.dataset.keys || "[]");
  let pending = "";
  let pendingTimer = 0;

  const isTyping = (event) => {
    const element = event.target;
    return event.isComposing || element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
  };
  const rows = () => all("[data-row]").filter((row) => row.offsetParent !== null);

  function moveRow(step) {
    const links = rows();
    if (!links.length) return;
    const current = links.findIndex((link) => link.getAttribute("aria-current") === "true");
    const focused = links.indexOf(document.activeElement);
    const from = focused >= 0 ? focused : current;
    const next = links[from < 0 ? 0 : Math.max(0, Math.min(links.length - 1, from + step))];
    for (const link of links) link.removeAttribute("aria-current");
    next.setAttribute("aria-current", "true");
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  const follow = (selector) => {
    const element = all(selector).find((found) => found.offsetParent !== null && !found.disabled);
    if (element) element.click();
    return Boolean(element);
  };

  const actions = {
    help: () => openDialog("help"),
    search: () => {
      const field = all("[data-search]").find((found) => found.offsetParent !== null);
      const menu = one(".topbar details");
      if (!field && menu) { menu.open = true; one("[data-search]", menu).focus(); }
      else if (field) { field.focus(); field.select(); }
    },
    go: (key) => follow(`[data-page-link="${key.target}"]`) || (location.href = one(`[data-page-link="${key.target}"]`).href),
    next: () => moveRow(1),
    previous: () => moveRow(-1),
    newer: () => follow("[data-newer]"),
    older: () => follow("[data-older]"),
    close: () => { const open = one("dialog[open]"); if (open) open.close(); else if (!follow("[data-cancel]")) all("[data-toast]:not(.error)").forEach((toast) => toast.remove()); },
    // Where each row has its own, that of the chosen row.
    click: (key) => ["tr:has([aria-current]) ", ""].some((row) => follow(`${row}[data-key="${key.keys}"]`)),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      // A dialog closes by itself.
      if (!one("dialog[open]") && (!isTyping(event) || event.target.closest("[data-escape]"))) actions.close();
      return;
    }
    if (body.dataset.shortcuts !== "on" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (one("dialog[open]")) return;
    if (event.repeat && !/^[jk]$/.test(event.key)) return;
    const typed = pending ? `${pending} ${event.key}` : event.key;
    const key = keys.find((found) => found.keys === typed);
    clearTimeout(pendingTimer);
    pending = "";
    if (key) {
      event.preventDefault();
      actions[key.action](key);
    } else if (keys.some((found) => found.keys.startsWith(`${typed} `))) {
      pending = typed;
      pendingTimer = setTimeout(() => { pending = ""; }, 1500);
    }
  });

  // -- dialogs: a link with data-dialog opens the dialog of that id instead of its page
  function openDialog(id) {
    const dialog = document.getElementById(id);
    if (!dialog || !dialog.showModal) return false;
    if (!dialog.open) dialog.showModal();
    return true;
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener && openDialog(opener.dataset.dialog)) event.preventDefault();
    const closer = event.target.closest("[data-close]");
    if (closer) { event.preventDefault(); closer.closest("dialog").close(); }
    const toast = event.target.closest("[data-dismiss]");
    if (toast) toast.closest("[data-toast]").remove();
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.dataset.copy).then(() => {
        const status = one("[data-copied]", copy.parentElement);
        if (status) status.textContent = copy.dataset.done;
      });
    }
    // A click outside of the content of a dialog closes it.
    if (event.target instanceof HTMLDialogElement) event.target.close();
  });

  // Forms that stand hidden in the page: a link reveals one, and its Cancel hides it.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-reveal]");
    const revealed = opener && document.getElementById(opener.dataset.reveal);
    const hides = event.target.closest("[data-revealed] [data-cancel]");
    if (!revealed && !hides) return;
    event.preventDefault();
    const closed = hides && hides.closest("[data-revealed]").id;
    for (const form of all("[data-revealed]")) form.hidden = form !== revealed;
    (revealed ? one("input:not([type=hidden])", revealed) : one(`[data-reveal="${closed}"]`)).focus();
  });

  // A form is sent once: its key makes a repeat harmless, and this spares the wait.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && event.target.method === "post") setTimeout(() => { button.disabled = true; }, 0);
    setTimeout(() => { if (button) button.disabled = false; }, 5000);
  });

  // A select that filters applies itself; without this, the form has a button.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-apply]")) event.target.form.requestSubmit();
  });

  const settle = (from) => {
    all("svg[data-column]", from).forEach(addSlots);
    all("[data-toast]:not(.error, :has(form))", from).forEach((toast) => setTimeout(() => toast.remove(), 8000));
    const summary = one("[data-error-summary]", from);
    if (summary) summary.focus();
    keepForms(from);
  };

  // -- an open form survives the end of the session, in this tab
  function keepForms(from) {
    for (const form of all("form[data-keep]", from)) {
      const name = `whale:${location.pathname}:${form.dataset.keep}`;
      const stored = sessionStorage.getItem(name);
      if (stored) {
        const values = JSON.parse(stored);
        for (const field of form.elements) {
          if (field.name in values && field.type !== "hidden" && !field.value) field.value = values[field.name];
        }
      }
      form.addEventListener("input", () => {
        const values = {};
        for (const field of form.elements) if (field.name && field.type !== "hidden") values[field.name] = field.value;
        sessionStorage.setItem(name, JSON.stringify(values));
      });
      form.addEventListener("submit", () => sessionStorage.removeItem(name));
    }
  }

  // -- charts: the value under the pointer, or of the column that the arrow keys chose; each from its row in the table
  const addSlots = (plot) => {
    const rows = all("tbody tr", one("table", plot.closest(".chart")) || plot.closest(".multiples"));
    const width = plot.viewBox.baseVal.width / rows.length;
    const slots = rows.map((_, number) => `<rect x="${width * number}" width="${width}"/>`);
    plot.insertAdjacentHTML("beforeend", `<g class="slots">${slots.join("")}</g>`);
    all(".slots rect", plot).forEach((slot, number) => {
      const cells = rows[number].cells;
      slot.dataset.label = `${cells[0].textContent}: ${cells[plot.dataset.column].textContent}`;
    });
  };
  const show = (slot) => {
    const chart = slot.closest(".chart");
    const readout = one(".readout", chart);
    all(".slots .shown", chart).forEach((other) => other.classList.remove("shown"));
    slot.classList.add("shown");
    if (readout) readout.textContent = slot.dataset.label;
  };
  document.addEventListener("pointerover", (event) => {
    if (event.target instanceof Element && event.target.matches(".slots rect")) show(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const plot = event.target instanceof Element && event.target.closest(".chart svg[tabindex]");
    if (!plot || !/^Arrow(Left|Right)$/.test(event.key)) return;
    event.preventDefault();
    const slots = all(".slots rect", plot);
    const at = slots.findIndex((slot) => slot.classList.contains("shown"));
    const next = event.key === "ArrowRight" ? at + 1 : at < 0 ? slots.length - 1 : at - 1;
    if (slots[next]) show(slots[next]);
  });

  // -- live: every panel that listens to `refresh` asks again, unless the reader is busy in it
  const wait = { seconds: 5, failures: 0 };
  const isBusy = () =>
    document.hidden || one("dialog[open]") || one("form[data-open]") || String(getSelection()) !== "" ||
    one("[data-live] :focus-visible:not(a)");
  const digests = {};
  let asked = false;

  function tick() {
    if (one("[data-live]") && !isBusy()) { asked = true; body.dispatchEvent(new Event("refresh")); }
    // What a reader works on is not replaced: a notice says what has changed, until somebody else decided.
    if (!document.hidden && one("[data-watch]:not(:has([data-decided]))")) body.dispatchEvent(new Event("watch"));
    setTimeout(tick, Math.min(60, wait.seconds * 2 ** wait.failures) * 1000);
  }
  setTimeout(tick, wait.seconds * 1000);

  const on = (name, react) => body.addEventListener(`htmx:${name}`, (event) => react(event.detail, event.detail.elt.matches("[data-live]")));
  on("configRequest", ({ elt, headers }, isLive) => {
    if (!isLive) return;
    headers["X-Live"] = "1";
    if (digests[elt.id]) headers["X-Digest"] = digests[elt.id];
  });
  on("afterRequest", ({ elt, xhr }, isLive) => {
    if (!isLive) return;
    const worked = xhr.status === 200 || xhr.status === 204;
    wait.failures = worked ? 0 : Math.min(wait.failures + 1, 4);
    if (worked && xhr.getResponseHeader("X-Digest")) digests[elt.id] = xhr.getResponseHeader("X-Digest");
    const mark = one("[data-live-state]");
    if (mark && asked) {
      if (worked) mark.dataset.since = "";
      else if (!mark.dataset.since) mark.dataset.since = new Date().toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
      mark.classList.toggle("stale", !worked);
      mark.textContent = worked ? mark.dataset.live : mark.dataset.stale.replace("{time}", mark.dataset.since);
    }
  });

  // -- what the reader opened, selected or focused in a panel stays so when the panel updates itself
  let kept = [];
  on("beforeSwap", (detail, isLive) => {
    // A failed refresh keeps what is shown, and so does a response that is no page.
    if (!/html/.test(detail.xhr.getResponseHeader("Content-Type")) || (isLive && detail.xhr.status !== 200)) detail.shouldSwap = false;
    kept = all("details[open][id], :checked[id], :focus[id]", detail.target).map((element) => [element.id, element.checked, element === document.activeElement]);
  });
  on("afterSwap", ({ target }) => {
    settle(target);
    for (const [id, isChecked, hasFocus] of kept) {
      const element = document.getElementById(id);
      if (!element) continue;
      if (element.tagName === "DETAILS") element.open = true;
      if (isChecked) element.checked = true;
      if (hasFocus) { element.focus(); if (element.matches("[data-row]")) element.setAttribute("aria-current", "true"); }
    }
    kept = [];
  });

  // -- a thin bar, only for swaps that take long
  const bar = one(".bar");
  let barTimer = 0;
  on("beforeRequest", (_, isLive) => { if (!isLive) barTimer = setTimeout(() => bar && bar.classList.add("shown"), 400); });
  on("afterRequest", () => { clearTimeout(barTimer); if (bar) bar.classList.remove("shown"); });

  settle(document);
})();
