"use strict";

// Another site's page cannot send this header: see gate.py.
const HEADERS = { "X-Cleanplate": "1" };
const POLL_MS = 1000;
const SETTLED_MS = 30000;
const STORE = "cleanplate-jobs";
const KINDS = {
  ".mp4": "MP4 (H.264)",
  ".mkv": "Matroska (H.264)",
  ".mov": "MOV (ProRes 4444, large)",
  ".webm": "WebM (VP9)",
};
const MODELS = { auto: "automatic" };

const $ = (id) => document.getElementById(id);
const form = $("form");
let options = null;
let request = null; // the upload that is on its way

function size(bytes) {
  return bytes < 1e9 ? `${Math.max(0.1, bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function complain(text) {
  $("complaint").textContent = text;
}

function say(text) {
  $("said").textContent = text;
}

function element(name, text, properties = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  return Object.assign(made, properties);
}

// The form

async function load() {
  try {
    options = await (await fetch("options")).json();
  } catch {
    complain("The service does not answer. Is it still running? Then load this page again.");
    return;
  }
  for (const name of options.models) $("model").append(new Option(MODELS[name] ?? name, name));
  $("colour").value = options.colour;
  for (const [name, endings] of Object.entries(options.accepted)) $(name).accept = endings.join(",");
  $("limit").textContent = `Up to ${size(options.limit_bytes)} at a time.`;
  const minutes = Math.round(options.keep_seconds / 60);
  $("keep").textContent = minutes === 60 ? "after an hour" : `after ${minutes} minutes`;
  choose();
}

function choose() {
  const background = form.elements.background.value;
  for (const part of document.querySelectorAll("[data-with]")) part.hidden = part.dataset.with !== background;
  $("picture").required = background === "picture";
  const endings = background === "transparent" ? options.transparent_endings : options.endings;
  const before = $("ending").value;
  const wanted = background === "transparent" ? ".mov" : ".mp4";
  $("ending").replaceChildren(...endings.map((ending) => new Option(KINDS[ending] ?? ending, ending)));
  $("ending").value = $("ending").dataset.chosen && endings.includes(before) ? before : wanted;
}

function list(input) {
  const items = [...input.files].map((file) => element("li", `${file.name} (${size(file.size)})`));
  $(`${input.id}-list`).replaceChildren(...items);
}

for (const radio of form.elements.background) radio.addEventListener("change", choose);
$("ending").addEventListener("change", () => ($("ending").dataset.chosen = "yes"));
for (const area of document.querySelectorAll(".drop")) {
  const input = $(area.dataset.for);
  input.addEventListener("change", () => list(input));
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    if ($("all").disabled || !event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    list(input);
  });
}
// A film dropped beside the areas would replace this page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

// Sending

function sending(active) {
  $("all").disabled = active;
  $("sending").hidden = !active;
  $("sent").value = 0;
  $("sent-text").textContent = "";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  complain("");
  const body = new FormData(form);
  if (form.elements.background.value !== "picture") body.delete("picture");
  const bytes = [...body.values()].reduce((sum, value) => sum + (value instanceof File ? value.size : 0), 0);
  sending(true);
  try {
    // Asked beforehand, for a browser does not show what a server says in the middle of an upload.
    options = await (await fetch("options")).json();
    if (bytes > options.limit_bytes) {
      throw new Error(`That is ${size(bytes)}; ${size(options.limit_bytes)} may be sent at a time.`);
    }
    if (!options.free_places) throw new Error("Too many films are waiting already. Try again when one is done.");
    const job = await send(body);
    remember([...remembered(), job.id]);
    show(job);
    say(`${job.title} was sent.`);
    $("films").value = ""; // the samples and choices are good for the next one, too
    list($("films"));
  } catch (error) {
    complain(error instanceof TypeError ? "The service does not answer. Is it still running?" : error.message);
  }
  sending(false);
  request = null;
});

$("abort").addEventListener("click", () => request?.abort());

function send(body) {
  return new Promise((resolve, reject) => {
    request = new XMLHttpRequest(); // fetch does not tell how much it has sent
    request.open("POST", "jobs");
    for (const [name, value] of Object.entries(HEADERS)) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      $("sent").value = loaded / total;
      $("sent-text").textContent = `${size(loaded)} of ${size(total)}`;
    };
    request.onload = () => {
      if (request.status === 201 && request.response) resolve(request.response);
      else reject(new Error(request.response?.error ?? `The service answered with ${request.status}.`));
    };
    request.onerror = () => reject(new Error("The connection broke off. Is the service still running?"));
    request.onabort = () => reject(new Error("Cancelled; nothing was kept."));
    request.send(body);
  });
}

// The jobs

function remembered() {
  try {
    const ids = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function remember(ids) {
  try {
    localStorage.setItem(STORE, JSON.stringify(ids));
  } catch {
    // Without a store, the jobs are shown until the page is loaded anew.
  }
}

function forget(id) {
  remember(remembered().filter((known) => known !== id));
  $(`job-${id}`)?.remove();
  $("jobs-section").hidden = !$("jobs").childElementCount;
}

function progressOf(job) {
  if (job.state === "waiting") return job.ahead ? `Waiting; ${job.ahead} before it.` : "Waiting.";
  if (job.state === "done") {
    return `Done: ${size(job.result.bytes)}. It is deleted in ${Math.ceil(job.seconds_left / 60)} minutes.`;
  }
  if (job.state === "failed") return job.error;
  if (!job.film) return "Looking through what was sent.";
  const which = job.films > 1 ? `Film ${job.film} of ${job.films}, ${job.name}: ` : "";
  if (!job.frame) return `${which}getting ready.`;
  return `${which}frame ${job.frame}${job.frames ? ` of about ${job.frames}` : ""}.`;
}

function row(id) {
  const made = element("li", "", { id: `job-${id}` });
  const text = element("p", "", { className: "text" });
  const bar = element("progress", "", { max: 1 });
  const notes = element("ul", "", { className: "notes" });
  const buttons = element("p", "", { className: "row" });
  const download = element("a", "Download", { className: "button main", href: `jobs/${id}/result`, download: "" });
  const remove = element("button", "Cancel", { type: "button" });
  remove.addEventListener("click", async () => {
    remove.disabled = true;
    try {
      const answer = await fetch(`jobs/${id}`, { method: "DELETE", headers: HEADERS });
      if (!answer.ok && answer.status !== 404) throw new Error();
      forget(id);
      say("Deleted.");
    } catch {
      remove.disabled = false;
      complain("The service does not answer. Is it still running?");
    }
  });
  buttons.append(download, remove);
  made.append(element("h3", ""), text, bar, notes, buttons);
  $("jobs").prepend(made);
  $("jobs-section").hidden = false;
  return made;
}

function show(job) {
  const shown = $(`job-${job.id}`) ?? row(job.id);
  const ended = job.state === "done" || job.state === "failed";
  const [title, text, bar, notes, buttons] = shown.children;
  const [download, remove] = buttons.children;
  if (ended && shown.dataset.state && shown.dataset.state !== job.state) say(`${job.title}: ${progressOf(job)}`);
  shown.dataset.state = job.state;
  title.textContent = job.title;
  text.textContent = progressOf(job);
  text.className = job.state === "failed" ? "text wrong" : "text";
  bar.hidden = job.state !== "running";
  bar.ariaLabel = `Progress of ${job.title}`;
  if (job.frame && job.frames) {
    bar.value = Math.min(1, (job.film - 1 + Math.min(1, job.frame / job.frames)) / job.films);
  } else {
    bar.removeAttribute("value");
  }
  const lines = [...(job.engine ? [job.engine] : []), ...job.notes];
  notes.replaceChildren(...lines.map((line) => element("li", line)));
  download.hidden = job.state !== "done";
  download.ariaLabel = `Download the result of ${job.title}`;
  remove.textContent = ended ? "Delete" : "Cancel";
  remove.ariaLabel = `${remove.textContent} ${job.title}`;
  setTimeout(poll, ended ? SETTLED_MS : POLL_MS, job.id);
}

async function poll(id) {
  if (!remembered().includes(id) && !$(`job-${id}`)) return;
  try {
    const answer = await fetch(`jobs/${encodeURIComponent(id)}`);
    if (answer.status === 404) forget(id);
    else show(await answer.json());
  } catch {
    setTimeout(poll, SETTLED_MS, id); // the service may come back
  }
}

load();
for (const id of remembered()) poll(id);
